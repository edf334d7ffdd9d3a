/** What is wrong with a filter. Apart from it, because the table shows it and the filter comes later. */

export class FilterError extends Error {
  constructor(
    message: string,
    /** Where in the text. */
    readonly at: number,
  ) {
    super(message);
    this.name = "FilterError";
  }
}
