// What scripts add to the forms: drafts that save themselves, fields shown when they apply, a button that says what it
// will do, file sizes. The server decides all of it again.
// Every sentence comes from the page, where it is translated.

const PAUSE = 2000;
const SHORT_PAUSE = 250;

function clockTime() {
  return new Date().toLocaleTimeString('zh-CN', { hour: '2-digit', minute: '2-digit', hour12: false });
}

// The file inputs stay out: papers are sent once, when the person acts.
function draftOf(form) {
  const draft = new FormData(form);
  for (const input of form.querySelectorAll('input[type=file][name]')) draft.delete(input.name);
  return draft;
}

class Draft {
  constructor(form) {
    this.form = form;
    this.line = form.querySelector('[data-autosave-state]') || document.querySelector('[data-autosave-state]');
    this.changed = false;
    this.saving = false;
    form.addEventListener('input', () => this.later());
    form.addEventListener('change', () => this.later());
    form.addEventListener('submit', () => this.forget());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.leave();
    });
  }

  later() {
    this.changed = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), PAUSE);
  }

  forget() {
    this.changed = false;
    clearTimeout(this.timer);
  }

  // One request at a time, or an older draft could arrive after a newer one.
  async save() {
    if (this.saving) {
      this.later();
      return;
    }
    this.saving = true;
    this.changed = false;
    try {
      const answer = await fetch(this.form.dataset.autosave, {
        method: 'POST',
        body: draftOf(this.form),
        credentials: 'same-origin',
        redirect: 'error',
        headers: { Accept: 'application/json' }
      });
      if (!answer.ok) throw new Error(String(answer.status));
      this.say('saved', '草稿已存，{time}', await savedAt(answer));
    } catch {
      this.changed = true;
      this.say('failed', '草稿没存上，请点“存草稿”再试', '');
    } finally {
      this.saving = false;
    }
  }

  // The page goes away or into the background: phones end it there without another word.
  leave() {
    if (!this.changed || this.saving) return;
    clearTimeout(this.timer);
    if (navigator.sendBeacon(this.form.dataset.autosave, draftOf(this.form))) this.changed = false;
  }

  say(name, fallback, time) {
    if (this.line) this.line.textContent = (this.line.dataset[name] || fallback).replace('{time}', time);
  }
}

// The server's time where it tells it: the demo county has a clock of its own.
async function savedAt(answer) {
  const type = answer.headers.get('Content-Type') || '';
  if (!type.startsWith('application/json')) return clockTime();
  return (await answer.json()).saved_at || clockTime();
}

function followChoice(form) {
  const choices = [...form.querySelectorAll('input[type=radio][data-button]')];
  const buttons = [...form.querySelectorAll('button')].filter((each) => each.type === 'submit');
  const button = buttons.find((each) => 'decides' in each.dataset) || buttons[0];
  if (!choices.length || !button) return;
  const initial = button.textContent;
  const follow = () => {
    const chosen = choices.find((choice) => choice.checked);
    button.textContent = chosen ? chosen.dataset.button : initial;
  };
  form.addEventListener('change', follow);
  // A reset, and a page that comes back from the history, change the radios without an event of their own.
  form.addEventListener('reset', () => setTimeout(follow));
  window.addEventListener('pageshow', follow);
  follow();
}

// A field that belongs to a value of another field: data-when names it, data-when-values lists the values; nothing
// chosen or typed counts as "".
function showWhenItApplies(form) {
  const fields = [...form.querySelectorAll('[data-when]')];
  if (!fields.length) return;
  const show = () => {
    const values = new FormData(form);
    for (const field of fields) {
      const wanted = JSON.parse(field.dataset.whenValues).map(String);
      const given = values.getAll(field.dataset.when);
      field.hidden = !(given.length ? given : ['']).some((value) => wanted.includes(value));
    }
  };
  form.addEventListener('change', show);
  form.addEventListener('reset', () => setTimeout(show));
  window.addEventListener('pageshow', show);
  show();
}

function megabytes(bytes) {
  return Math.max(bytes / 1048576, 0.1).toFixed(bytes < 10485760 ? 1 : 0);
}

// Says before the upload what the server would refuse after it.
function checkSizes(input) {
  const line = document.getElementById(`${input.id}-state`);
  if (!line) return;
  input.addEventListener('change', () => {
    const files = [...input.files];
    const large = files.find((file) => file.size > Number(input.dataset.maxBytes || Infinity));
    line.classList.toggle('is-error', Boolean(large));
    if (large) {
      line.textContent = (line.dataset.large || '').replace('{name}', large.name).replace('{size}', megabytes(large.size));
    } else {
      line.textContent = files.map((file) => `${file.name} ${megabytes(file.size)} MB`).join('，');
    }
  });
}

// A meeting's figures: the server says what they come to while they are filled in.
function reckon(form) {
  let timer;
  let asked = 0;
  const ask = async () => {
    const shown = form.querySelector('[data-tally]');
    const number = ++asked;
    const answer = await fetch(shown.dataset.tally, {
      method: 'POST',
      body: draftOf(form),
      credentials: 'same-origin',
      redirect: 'error'
    });
    // An older answer may come after a newer one.
    if (answer.ok && number === asked) shown.outerHTML = await answer.text();
  };
  form.addEventListener('input', () => {
    clearTimeout(timer);
    // Away from the server the old figures stay, and the button asks again.
    timer = setTimeout(() => ask().catch((error) => console.warn(error.message)), SHORT_PAUSE);
  });
}

for (const form of document.querySelectorAll('form[data-autosave]')) new Draft(form);
for (const shown of document.querySelectorAll('form [data-tally]')) reckon(shown.form || shown.closest('form'));
for (const form of document.forms) {
  followChoice(form);
  showWhenItApplies(form);
}
for (const input of document.querySelectorAll('input[type=file][id]')) checkSizes(input);
