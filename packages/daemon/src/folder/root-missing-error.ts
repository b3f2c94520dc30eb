/** The folder or its marker is not there. Nothing may be concluded about what was in it. */
export class RootMissingError extends Error {
  readonly code = 'root-missing';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RootMissingError';
  }
}
