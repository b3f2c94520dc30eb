/** Cuts a batch into pieces of a bounded number of items and of bytes; an item above the bound is a piece by itself. */
export function* cutBatch<Item>(
  items: readonly Item[],
  most: { readonly items: number; readonly bytes: number },
  bytesOf: (item: Item) => number,
): Generator<readonly Item[]> {
  let start = 0;
  let bytes = 0;
  for (const [i, item] of items.entries()) {
    const itemBytes = bytesOf(item);
    if (i > start && (i - start >= most.items || bytes + itemBytes > most.bytes)) {
      yield items.slice(start, i);
      start = i;
      bytes = 0;
    }
    bytes += itemBytes;
  }
  if (start < items.length) yield items.slice(start);
}
