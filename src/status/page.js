(() => {
  const live = document.getElementById('live'), stale = document.getElementById('stale'),
    said = document.getElementById('said'),
    colon = document.documentElement.lang === 'fr' ? '\u202f: ' : ': ';
  const states = (root) => new Map([...root.querySelectorAll('[data-state]')]
    .map((card) => [card.dataset.nom, card.querySelector('.state').textContent]));
  const place = (node) => node && live.contains(node) && (node.id ? '#' + node.id : node.getAttribute('href'));
  let at = Date.now(), busy = false;
  const look = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(answer.status);
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('live');
      if (next && next.innerHTML !== live.innerHTML) {
        const before = states(live), held = place(document.activeElement);
        const open = [...live.querySelectorAll('details[open]')].map((one) => one.id);
        live.replaceChildren(...next.childNodes);
        for (const id of open) document.getElementById(id)?.setAttribute('open', '');
        if (held) [...live.querySelectorAll('a,button,summary,[tabindex]')].find((one) => place(one) === held)?.focus({ preventScroll: true });
        const changed = [...states(live)].filter(([nom, text]) => before.has(nom) && before.get(nom) !== text);
        if (changed.length) said.textContent = changed.map(([nom, text]) => nom + colon + text).join('. ');
      }
      at = Date.now();
      stale.hidden = true;
    } catch {
      stale.hidden = false;
      stale.querySelector('span').textContent = new Date(at).toLocaleTimeString(document.documentElement.lang);
    } finally {
      busy = false;
    }
  };
  setInterval(look, 10000);
  document.addEventListener('visibilitychange', look);
})();
