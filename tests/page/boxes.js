// The body of a function: one line for each thing that does not fit on the page. boxes.rs plants each fault.
const found = [], root = document.documentElement, width = root.clientWidth, height = innerHeight;
const say = (what, one) => found.push(`${what}: ${one.tagName.toLowerCase()}${one.id ? '#' + one.id : ''}.${one.getAttribute('class') ?? ''} "${one.textContent.trim().slice(0, 40)}"`);
const styles = new Map();
const styleOf = (one) => {
  if (!styles.has(one)) styles.set(one, getComputedStyle(one));
  return styles.get(one);
};
const around = (one, is) => {
  for (let each = one; each && each !== root; each = each.parentElement) if (is(each)) return each;
  return null;
};
// What only those who hear the page are told.
const isSpoken = (one) => styleOf(one).clipPath.startsWith('inset(50%')
  || (styleOf(one).position === 'absolute' && one.getBoundingClientRect().right < 0);
const isSeen = (one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })
  && !one.closest('title, desc, script, style, defs, symbol') && !around(one, isSpoken);
const isAnchored = (one) => around(one, (each) => ['fixed', 'sticky'].includes(styleOf(each).position));
// What may be scrolled sideways, and is reached by keyboard, may be wider than the screen.
const scrollerOf = (one) => one.closest('.scroll');
const isShortened = (one) => styleOf(one).textOverflow === 'ellipsis' || styleOf(one).webkitLineClamp !== 'none';
const isCut = (one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1;
if (root.scrollWidth > width + 1) found.push(`the page is ${root.scrollWidth} wide on a screen of ${width}`);
for (const one of document.querySelectorAll('.scroll'))
  if (one.scrollWidth > one.clientWidth + 1 && one.tabIndex < 0) say('scrolls, and no key reaches it', one);
for (const one of document.querySelectorAll('button, select, input:not([type=hidden])'))
  if (isSeen(one) && one.clientWidth && isCut(one)) say('cut in its control', one);
const boxes = [];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, (node) => node.data.trim() ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_REJECT);
const range = document.createRange();
while (texts.nextNode()) {
  const one = texts.currentNode.parentElement;
  if (!isSeen(one) || (one.closest('svg') && !one.closest('text'))) continue;
  const scroller = scrollerOf(one), anchored = isAnchored(one);
  range.selectNodeContents(texts.currentNode);
  const lines = range.getClientRects();
  if (lines.length > 1) {
    // A word is what stands between blanks, slashes and dashes; between signs of Chinese a line may break.
    for (const word of texts.currentNode.data.matchAll(/[^\s\/\-–]+/gu)) {
      if (!/^[\p{L}']{2,14}$/u.test(word[0]) || /\p{Script=Han}/u.test(word[0])) continue;
      range.setStart(texts.currentNode, word.index);
      range.setEnd(texts.currentNode, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].filter((box) => box.width >= 1).map((box) => Math.round(box.top)));
      if (tops.size > 1) say('a word broken over lines', one);
    }
  }
  for (const box of lines) {
    if (box.width < 1 || box.height < 1) continue;
    if (!scroller && (box.right > width + 1 || box.left < -1)) say('outside the screen', one);
    if (box.top + scrollY < -1) say('above the page', one);
    for (let each = one; each && each !== document.body && each !== scroller; each = each.parentElement) {
      // A control says itself that its text is cut.
      if (each.matches('button, select')) break;
      const style = styleOf(each);
      if (style.overflowX === 'visible' && style.overflowY === 'visible') continue;
      const edge = each.getBoundingClientRect();
      const side = style.overflowX !== 'visible' && (box.right > edge.right + 1 || box.left < edge.left - 1);
      const level = style.overflowY !== 'visible' && (box.bottom > edge.bottom + 2 || box.top < edge.top - 2);
      if (!side && !level) continue;
      if (!isShortened(each)) say(side ? 'cut at the side' : 'cut above or below', one);
      else if (!around(one, (outer) => outer.title || outer.getAttribute('aria-label'))) say('shortened, and its whole text stands nowhere', one);
    }
    boxes.push({ one, box, scroller, anchored });
  }
}
boxes.sort((a, b) => a.box.top - b.box.top);
for (let first = 0; first < boxes.length; first += 1) {
  const { one, box, scroller, anchored } = boxes[first];
  for (let second = first + 1; second < boxes.length && boxes[second].box.top < box.bottom; second += 1) {
    const other = boxes[second];
    if (other.one === one || other.scroller !== scroller || other.anchored !== anchored) continue;
    const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
    const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
    // A line's box is higher than its letters.
    if (across > 1.5 && down > 0.35 * Math.min(box.height, other.box.height))
      say(`on one another: "${one.textContent.trim().slice(0, 40)}" and`, other.one);
  }
}
// Behind something that is not part of it and lets nothing through; what can be scrolled out from behind an
// anchored bar is not hidden by it.
const isOpaque = (one) => {
  const { backgroundColor, backgroundImage, opacity } = styleOf(one);
  const alpha = /^rgba\(.*, ([\d.]+)\)$/.exec(backgroundColor);
  return opacity === '1' && (backgroundImage !== 'none' || !alpha || Number(alpha[1]) > 0.5)
    || ['IMG', 'CANVAS', 'VIDEO'].includes(one.tagName);
};
const covers = [...document.body.querySelectorAll('*')]
  .filter((one) => styleOf(one).position !== 'static' && isOpaque(one) && isSeen(one))
  .map((one) => ({ one, box: one.getBoundingClientRect(), isBar: isAnchored(one) && !scrollerOf(one) }));
// A bar comes by everywhere; anything else hides what it lies on, and a column that stays what is scrolled below it.
const mayHide = ({ one, box }) => covers.some((cover) => cover.isBar || (!scrollerOf(cover.one)?.contains(one) && !cover.one.contains(one)
  && cover.box.left < box.right && box.left < cover.box.right && cover.box.top < box.bottom && box.top < cover.box.bottom));
const suspects = boxes.filter(mayHide);
if (suspects.length) {
  const x0 = scrollX, y0 = scrollY, hidden = new Map();
  const seen = new Set();
  for (let top = 0; ; top += Math.floor(height / 2)) {
    scrollTo({ left: 0, top, behavior: 'instant' });
    const moved = scrollY - y0;
    for (const each of suspects) {
      const { one, box, scroller } = each;
      // Where a text that is anchored is now, it says itself.
      if (seen.has(each) || each.anchored) continue;
      const x = box.left + box.width / 2, y = box.top + box.height / 2 - moved;
      if (y < 0 || y >= height || x < 0 || x >= width) continue;
      const edge = scroller?.getBoundingClientRect();
      if (edge && (x < edge.left || x > edge.right)) continue;
      const stack = document.elementsFromPoint(x, y);
      const own = stack.findIndex((top) => top.contains(one) || one.contains(top));
      const before = stack.slice(0, own < 0 ? 0 : own).find(isOpaque);
      if (!before) { seen.add(each); hidden.delete(each); } else hidden.set(each, before);
    }
    if (scrollY + height >= root.scrollHeight - 1 || top > root.scrollHeight) break;
  }
  scrollTo({ left: x0, top: y0, behavior: 'instant' });
  for (const [{ one, scroller }, before] of hidden) if (!(scroller && scroller.contains(before))) say('hidden behind another', one);
}
return [...new Set(found)];
