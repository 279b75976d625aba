// The countdowns of a login and of a wait, and the button that gives the whole time again.
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

  // The wait after too many tries: moves by itself, and says once that it is over.
  let waitsUntil = 0;
  const wait = () => {
    const line = el('wait');
    if (!line || line.hidden || !waitsUntil) {
      return;
    }
    const left = Math.max(0, Math.ceil((waitsUntil - performance.now()) / 1000));
    const two = (number) => String(number).padStart(2, '0');
    const [hours, minutes] = [Math.floor(left / 3600), Math.floor(left / 60) % 60];
    el('wait-clock').textContent = (hours ? hours + ':' + two(minutes) : minutes) + ':' + two(left % 60);
    if (left === 0) {
      line.hidden = true;
      waitsUntil = 0;
      el('problem').hidden = true;
      el('status').textContent = line.dataset.over;
    }
  };

  document.addEventListener('login-wait', (event) => {
    if (el('wait')) {
      waitsUntil = event.detail ? performance.now() + event.detail * 1000 : 0;
      el('wait').hidden = !event.detail;
      wait();
    }
  });

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

  setInterval(() => { count(); wait(); }, 1000);
  count();
})();
