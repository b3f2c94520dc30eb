/** A promise that is made only when somebody has to wait, and settled from outside. */
export class Waiter<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever waits gets the rejection; one that nobody waits for any more is not a crash.
    this.promise.catch(() => {});
  }
}
