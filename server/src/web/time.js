// The countdown of a login, and the button that gives the whole time again.
'use strict';
(() => {
  const el = (id) => document.getElementById(id);
  const box = el('time');
  const texts = JSON.parse(box.dataset.texts);
  // Seconds before the end at which it is said aloud: time enough to ask for more.
  const SOON = 60;
  let deadline = performance.now() + box.dataset.left * 1000;
  let said = false;
  let over = false;

  const count = () => {
    const left = Math.max(0, Math.ceil((deadline - performance.now()) / 1000));
    el('clock').textContent = Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0');
    el('bar').value = left;
    const soon = left <= SOON && !el('more-form').hidden;
    box.classList.toggle('soon', soon);
    if (soon && !said) {
      said = true;
      el('soon').textContent = texts.soon;
    }
    // Where no other script watches the login.
    if (left === 0 && box.dataset.then && !over) {
      over = true;
      location.replace(box.dataset.then);
    }
  };

  const set = (state) => {
    const next = performance.now() + state.expires_in * 1000;
    // Whole seconds come from the server: what differs by less is the same end.
    if (Math.abs(next - deadline) > 1500) {
      deadline = next;
    }
    el('more-form').hidden = !state.may_extend;
    box.hidden = Boolean(state.finish);
    if (!state.may_extend) {
      el('soon').textContent = '';
    }
    count();
  };

  document.addEventListener('login-state', (event) => set(event.detail));

  el('more-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      const reply = await fetch(el('more-form').getAttribute('action'), {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}',
      });
      const state = await reply.json();
      if (!reply.ok) {
        el('soon').textContent = state.message || texts.failed;
        return;
      }
      said = false;
      set(state);
      el('soon').textContent = texts.given;
    } catch (error) {
      el('soon').textContent = texts.lost;
    }
  });

  setInterval(count, 1000);
  count();
})();
