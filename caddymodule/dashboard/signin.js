// The small form that asks for name and password.

export class SignIn {
  #form;
  #name;
  #password;
  #word;

  // onSignIn(name, password).
  constructor({ form, name, password, word }, { onSignIn }) {
    Object.assign(this, { onSignIn });
    this.#form = form;
    this.#name = name;
    this.#password = password;
    this.#word = word;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (name.value === '' || name.value.includes(':')) {
        this.say('A name is needed, without a colon.');
        name.focus();
        return;
      }
      onSignIn(name.value, password.value);
      password.value = '';
    });
  }

  set hidden(hidden) { this.#form.hidden = hidden; }

  say(text) { this.#word.textContent = text; }

  // retry puts the focus where a wrong password is written anew.
  retry(text) {
    this.say(text);
    this.#password.focus();
  }
}
