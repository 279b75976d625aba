// The pages on which a password is typed or a chip is used: computes OPAQUE in WebAssembly, so that the password never
// leaves the page, and has the chip sign.
'use strict';
(() => {
  const main = document.querySelector('main');
  const texts = JSON.parse(main.dataset.texts);
  const el = (id) => document.getElementById(id);
  const utf8 = (text) => new TextEncoder().encode(text.normalize('NFC'));
  const random = () => crypto.getRandomValues(new Uint8Array(32));

  const toText = (bytes) =>
    btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const toBytes = (text) =>
    Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));

  let engine = null;
  // One step: its fields in, the answer's bytes out. Throws the step's number where it refuses.
  async function step(name, ...fields) {
    engine ??= (await WebAssembly.instantiateStreaming(fetch(main.dataset.wasm))).instance.exports;
    for (const field of fields) {
      for (const byte of [field.length >> 8, field.length & 255, ...field]) {
        engine.put(byte);
      }
    }
    const refused = engine[name]();
    if (refused !== 0) {
      throw { refused, message: texts.failed, code: 'refused' };
    }
    const answer = [];
    for (let byte = engine.take(); byte >= 0; byte = engine.take()) {
      answer.push(byte);
    }
    return Uint8Array.from(answer);
  }

  // Throws the server's sentence where it refuses, or that there is no connection.
  async function post(path, body) {
    let response;
    try {
      response = await fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    } catch {
      throw { message: texts.lost, code: 'lost' };
    }
    const reply = await response.json().catch(() => ({}));
    if (!response.ok) {
      throw {
        message: reply.message || texts.failed,
        code: reply.error || 'failed',
        language: reply.language,
        wait: reply.retry_after,
      };
    }
    return reply;
  }

  function say(text) {
    el('status').textContent = text;
  }

  function complain(text, language) {
    say('');
    const problem = el('problem');
    problem.lang = language || document.documentElement.lang;
    problem.textContent = text;
    problem.hidden = false;
    problem.focus();
  }

  // The countdown to the next try, where there is a wait.
  const wait = (seconds) => document.dispatchEvent(new CustomEvent('login-wait', { detail: seconds || 0 }));

  // Lets the page draw its state before the computing, which takes a moment.
  const drawn = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));

  function on(form, submit) {
    const buttons = form.querySelectorAll('button');
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      el('problem').hidden = true;
      wait(0);
      buttons.forEach((button) => { button.disabled = true; });
      say(texts.working);
      await drawn();
      try {
        await submit();
      } catch (error) {
        // What is no refusal of ours is a browser that cannot do it.
        complain(error.code === undefined ? texts.missing : error.message, error.language);
        wait(error.wait);
      }
      buttons.forEach((button) => { button.disabled = false; });
    });
  }

  // A chip answers, or the page says that it did not.
  async function chip(asking) {
    if (!window.PublicKeyCredential) {
      throw { message: texts.chip_missing, code: 'chip' };
    }
    say(texts.chip_touch);
    try {
      return await asking();
    } catch {
      throw { message: texts.chip_failed, code: 'chip' };
    } finally {
      say(texts.working);
    }
  }

  const fromBuffer = (buffer) => toText(new Uint8Array(buffer));
  const told = (credential, response) =>
    ({ id: credential.id, rawId: fromBuffer(credential.rawId), type: credential.type, response });

  // Signs for this login, this browser and this first message, and for no other.
  async function sign(asked, ke1) {
    const bound = [...utf8('godkend/1/chip'), ...toBytes(main.dataset.context), ...ke1];
    const challenge = await crypto.subtle.digest('SHA-256', Uint8Array.from(bound));
    const credential = await navigator.credentials.get({ publicKey: { ...asked, challenge, timeout: 120000 } });
    const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
    return told(credential, {
      clientDataJSON: fromBuffer(clientDataJSON),
      authenticatorData: fromBuffer(authenticatorData),
      signature: fromBuffer(signature),
      userHandle: userHandle ? fromBuffer(userHandle) : null,
    });
  }

  async function registerChip() {
    const code = el('code').value;
    const { options } = await post('/chip/ask', { code });
    const made = await chip(() => navigator.credentials.create({ publicKey: {
      ...options,
      challenge: toBytes(options.challenge),
      user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: [],
    } }));
    const { clientDataJSON, attestationObject } = made.response;
    const response =
      { clientDataJSON: fromBuffer(clientDataJSON), attestationObject: fromBuffer(attestationObject) };
    await post('/chip/set', { code, credential: told(made, response) });
    finished('chip-form');
  }

  // In place of a form: that it is done.
  function finished(form) {
    el(form).hidden = true;
    const done = document.createElement('p');
    done.id = 'done';
    done.className = 'done';
    done.setAttribute('role', 'status');
    done.tabIndex = -1;
    done.textContent = texts.done;
    main.append(done);
    done.focus();
  }

  // The chip's half. The phone's approval completes the login, on the page that shows the code.
  async function half() {
    const proofs = { chip: await chip(() => sign(JSON.parse(el('chip').dataset.asked), [])) };
    const { id, combination } = main.dataset;
    const body = { user_id: el('user-id').value, combination, proofs };
    const { next } = await post('/login/' + id + '/means/chip', body);
    location.assign(next);
  }

  async function logOn() {
    const base = '/login/' + main.dataset.id + '/means/';
    const combination = main.dataset.combination;
    const proofs = {};
    for (const input of document.querySelectorAll('[data-means]')) {
      if (input.value.trim() !== '') {
        proofs[input.dataset.means] ??= {};
        proofs[input.dataset.means][input.dataset.part] = input.value.trim();
      }
    }
    const ke1 = await step('begin', random(), utf8(el('password').value));
    if (el('chip')) {
      proofs.chip = await chip(() => sign(JSON.parse(el('chip').dataset.asked), ke1));
    }
    const { ke2 } = await post(base + 'start', { user_id: el('user-id').value, combination, ke1: toText(ke1), proofs });
    let ke3;
    try {
      ke3 = await step('prove', toBytes(ke2), toBytes(main.dataset.context));
    } catch {
      // Something was wrong. The server is told, so that it can tell the person, and it answers with its one sentence.
      ke3 = new Uint8Array(32);
    }
    try {
      const { finish } = await post(base + 'finish', { ke3: toText(ke3), combination });
      say(texts.approved);
      location.replace(finish);
    } catch (error) {
      el('password').value = '';
      for (const input of document.querySelectorAll('[data-means]')) {
        input.value = '';
      }
      throw error;
    }
  }

  async function choose() {
    const password = el('password').value;
    if (password.normalize('NFC') !== el('again').value.normalize('NFC')) {
      throw { message: texts.differ, code: 'weak' };
    }
    try {
      await step('weakness', utf8(password), utf8(el('user-id').value));
    } catch (error) {
      const why = { 2: texts.short, 3: texts.long, 4: texts.common, 5: texts.yours }[error.refused];
      throw { message: why || texts.failed, code: 'weak' };
    }
    const code = el('code').value;
    const request = await step('choose', random(), utf8(password));
    const { response } = await post('/password/register', { code, request: toText(request) });
    const upload = await step('chosen', toBytes(response));
    await post('/password/set', { code, upload: toText(upload) });
    finished('choose-form');
  }

  // A code that was handed out is not lost with a change of language: it stays in the browser, behind the address's #.
  function keepCode() {
    const kept = new URLSearchParams(location.hash.slice(1)).get('code');
    if (kept) {
      el('code').value = kept;
      history.replaceState(null, '', location.pathname + location.search);
    }
    document.querySelectorAll('.languages a').forEach((link) => link.addEventListener('click', () => {
      link.hash = el('code').value && new URLSearchParams({ code: el('code').value });
    }));
  }

  if (main.id === 'way') {
    on(el('way-form'), el('password') ? logOn : half);
  } else if (main.id === 'choose') {
    keepCode();
    on(el('choose-form'), choose);
  } else {
    keepCode();
    on(el('chip-form'), registerChip);
  }
})();
