(() => {
  const live = document.getElementById('live'), stale = document.getElementById('stale'),
    said = document.getElementById('said');
  if (!live.hasAttribute('data-renews')) return;
  const words = stale.dataset, why = stale.querySelector('b'), known = stale.querySelector('span'),
    french = document.documentElement.lang === 'fr', colon = french ? '\u202f: ' : ': ';
  const states = (root) => new Map([...root.querySelectorAll('[data-state]')]
    .map((card) => [card.dataset.nom, card.querySelector('.state').textContent]));
  const place = (node) => node && live.contains(node) && (node.id ? '#' + node.id : node.getAttribute('href'));
  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const span = (ms) => {
    const s = Math.floor(ms / 1000), m = Math.floor(s / 60), h = Math.floor(m / 60);
    return s < 60 ? s + '\u00a0s' : h < 1 ? m + '\u00a0min' : h + '\u00a0h\u00a0' + String(m % 60).padStart(2, '0');
  };
  // What is shown is of the moment `at` by the gateway's clock, and was asked for when this browser had run for `ran`.
  let good = { at: live.dataset.now ?? '?', ran: 0 };
  let fault = '', busy = false, asked = 0, slept = -1;
  let last = { ran: performance.now(), clock: Date.now() };
  // The running time may stand still while a device sleeps: then what it says is the least. Of the browser's own
  // clock only its steps count: it may be wrong by hours.
  const age = () => {
    const now = { ran: performance.now(), clock: Date.now() };
    if (now.clock - last.clock - (now.ran - last.ran) > 5000) slept = now.ran;
    last = now;
    return { ran: now.ran - good.ran, isLeast: slept > good.ran };
  };
  const show = () => {
    const { ran, isLeast } = age();
    stale.hidden = !fault && !isLeast && ran < 25000;
    if (stale.hidden) return;
    put(why, words[fault || 'old']);
    put(known, words[isLeast ? 'least' : 'known'].replace('{at}', good.at).replace('{age}', span(ran)));
  };
  const look = async () => {
    if (busy || document.hidden) return;
    busy = true;
    let trouble = 'gone';
    const ran = performance.now();
    asked = ran;
    try {
      const answer = await fetch(location.href, { cache: 'no-store', headers: { accept: 'text/html' }, signal: AbortSignal.timeout(8000) });
      trouble = 'failed';
      if (!answer.ok) throw new Error(answer.status);
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('live');
      if (!next) throw new Error('another page');
      if (next.innerHTML !== live.innerHTML) {
        const before = states(live), held = place(document.activeElement);
        const open = [...live.querySelectorAll('details[open]')].map((one) => one.id);
        live.replaceChildren(...next.childNodes);
        for (const id of open) document.getElementById(id)?.setAttribute('open', '');
        if (held) [...live.querySelectorAll('a,button,summary,[tabindex]')].find((one) => place(one) === held)?.focus({ preventScroll: true });
        const changed = [...states(live)].filter(([nom, text]) => before.has(nom) && before.get(nom) !== text);
        if (changed.length) said.textContent = changed.map(([nom, text]) => nom + colon + text).join('. ');
      }
      good = { at: next.dataset.now ?? '?', ran };
      fault = '';
    } catch {
      fault = trouble;
    } finally {
      busy = false;
      show();
    }
  };
  setInterval(look, 10000);
  setInterval(() => {
    show();
    if (age().isLeast && performance.now() - asked > 2000) look();
  }, 1000);
  document.addEventListener('visibilitychange', () => { show(); look(); });
})();
