/** What the histories of several folders on one disk may take together: where it is too much, each gives its share. */
export class SharedBudget {
  readonly #bytes = new Map<string, { readonly disk: string; readonly bytes: number }>();

  /** How much a folder's history takes now, and on which disk. */
  note(folder: string, disk: string, bytes: number): void {
    this.#bytes.set(folder, { disk, bytes });
  }

  forget(folder: string): void {
    this.#bytes.delete(folder);
  }

  /** How many bytes the folder's history has too many, where all on its disk may take `budgetBytes`. */
  excessOf(folder: string, budgetBytes: number): number {
    const own = this.#bytes.get(folder);
    if (own === undefined || own.bytes === 0) return 0;
    let total = 0;
    for (const { disk, bytes } of this.#bytes.values()) if (disk === own.disk) total += bytes;
    if (total <= budgetBytes) return 0;
    return own.bytes - Math.floor((own.bytes * budgetBytes) / total);
  }
}
