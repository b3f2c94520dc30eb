import { describe, expect, it } from 'vitest';
import { SharedBudget } from './shared-budget.js';

describe('the budget of all histories on a disk', () => {
  it('asks nothing of anybody while it is kept', () => {
    const budget = new SharedBudget();
    budget.note('a', 'disk', 60);
    budget.note('b', 'disk', 40);
    expect([budget.excessOf('a', 100), budget.excessOf('b', 100)]).toEqual([0, 0]);
  });

  it('asks of each folder its share of what is too much', () => {
    const budget = new SharedBudget();
    budget.note('a', 'disk', 150);
    budget.note('b', 'disk', 50);
    expect([budget.excessOf('a', 100), budget.excessOf('b', 100)]).toEqual([75, 25]);
  });

  it('leaves other disks and folders that are gone out', () => {
    const budget = new SharedBudget();
    budget.note('a', 'disk', 100);
    budget.note('b', 'other disk', 1000);
    budget.note('c', 'disk', 1000);
    budget.forget('c');
    expect(budget.excessOf('a', 100)).toBe(0);
    expect(budget.excessOf('c', 100)).toBe(0);
  });
});
