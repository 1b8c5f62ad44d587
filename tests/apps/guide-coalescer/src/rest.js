export async function processItem(item) {
  await scheduler.wait(10);
  if (item === 'bad') throw new Error('a bad item');
  return `${item} done`;
}
