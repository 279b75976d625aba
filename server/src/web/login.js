// The login page: draws the moving QR code, waits for the phone, sends the forms.
'use strict';
(() => {
  const main = document.getElementById('login');
  const base = '/login/' + main.dataset.id;
  const texts = JSON.parse(main.dataset.texts);
  const el = (id) => document.getElementById(id);
  let state = JSON.parse(main.dataset.state);
  let deadline = performance.now() + state.expires_in * 1000;
  let frames = [];
  let serverAhead = 0;
  let over = false;

  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  const draw = (box, svg) => {
    const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
    box.replaceChildren(document.importNode(parsed, true));
  };

  const problem = (text) => {
    el('problem').textContent = text || '';
    el('problem').hidden = !text;
  };

  const leave = (path) => {
    if (!over) {
      over = true;
      location.assign(path);
    }
  };

  const show = () => {
    const waiting = state.state === 'waiting';
    el('status').textContent = texts[state.state] || '';
    el('scan').hidden = !waiting;
    el('other').hidden = !waiting;
    el('remembered').hidden = !(waiting && state.remembered);
    el('number-box').hidden = !(waiting && state.number);
    el('number').textContent = state.number_spaced || '';
    if (!waiting) {
      el('offline-box').hidden = true;
    }
    const link = el('same-device');
    link.hidden = !state.same_device_link;
    if (state.same_device_link) {
      link.setAttribute('href', state.same_device_link);
    }
    deadline = performance.now() + state.expires_in * 1000;
    if (state.finish) {
      leave(state.finish);
    }
  };

  const ask = async (path, body) => {
    const options = body === undefined ? {} : {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    };
    const reply = await fetch(base + path, options);
    const json = await reply.json().catch(() => ({}));
    if (!reply.ok) {
      const error = new Error(json.message || String(reply.status));
      error.told = json.message;
      error.status = reply.status;
      throw error;
    }
    return json;
  };

  const watch = async () => {
    while (!over) {
      try {
        state = await ask('/state?wait=25&known=' + state.state);
        show();
        // A server that is stopping answers at once.
        await sleep(200);
      } catch (error) {
        if (error.status === 404) {
          problem(error.told);
          return;
        }
        await sleep(2000);
      }
    }
  };

  // The frame of this second, by the server's clock; a few are here ahead of time.
  const moveQr = async () => {
    while (!over) {
      if (state.state === 'waiting') {
        try {
          const reply = await ask('/frames');
          frames = reply.frames;
          serverAhead = reply.now_ms - Date.now();
        } catch (error) {
          // The next second tries again.
        }
        const second = Math.floor((Date.now() + serverAhead) / 1000);
        const frame = frames.find((one) => one.second === second);
        if (frame) {
          draw(el('qr'), frame.svg);
          el('qr').dataset.link = frame.text;
        } else {
          el('qr').replaceChildren();
        }
      }
      await sleep(1000 - ((Date.now() + serverAhead) % 1000));
    }
  };

  const count = () => {
    const left = Math.max(0, Math.ceil((deadline - performance.now()) / 1000));
    el('left').textContent = over ? '' : left + ' ' + texts.seconds_left;
  };

  const submit = (id, path, body, then) => {
    el(id).addEventListener('submit', async (event) => {
      event.preventDefault();
      problem('');
      try {
        then(await ask(path, body()));
      } catch (error) {
        problem(error.told || error.message);
      }
    });
  };

  submit('user-id-form', '/user-id', () => ({ user_id: el('user-id').value }), (reply) => {
    state.number = reply.number;
    state.number_spaced = reply.number_spaced;
    el('number').textContent = reply.number_spaced;
    el('number-box').hidden = false;
  });

  el('offline-button').addEventListener('click', async () => {
    problem('');
    try {
      const reply = await ask('/offline', { user_id: el('user-id').value });
      draw(el('offline-qr'), reply.svg);
      el('offline-qr').dataset.link = reply.text;
      el('offline-box').hidden = false;
    } catch (error) {
      problem(error.told || error.message);
    }
  });

  submit('offline-form', '/offline-code', () => ({ code: el('offline-code').value }), (reply) => {
    state = reply;
    show();
  });

  el('cancel').addEventListener('click', async () => {
    try {
      leave((await ask('/cancel', {})).finish);
    } catch (error) {
      problem(error.told || error.message);
    }
  });

  if (el('user-id').value) {
    el('other').open = true;
  }
  show();
  setInterval(count, 1000);
  count();
  watch();
  moveQr();
})();
