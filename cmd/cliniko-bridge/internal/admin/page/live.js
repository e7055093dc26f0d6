// The connection to the bridge: GET /live, server-sent events. It comes back by itself, however it was lost.

const kinds = ['overview', 'account', 'told', 'points'];

// The bridge sends something every two seconds. A connection that is silent for so long is dead, even if nobody closed it.
const silenceMs = 10_000;

// How long to wait before the next attempt, ms; the last again and again.
const waitsMs = [500, 1000, 2000, 5000];

export class Live {
  #source = null;
  #account = '';
  #asked = ''; // the account of the connection that is open
  #failures = 0; // attempts in a row that brought nothing
  #heardMs = 0;
  #timer = 0;
  #on;

  // on.frame(kind, data, whole) takes a frame; whole says that it is the first of its kind on this connection, and holds all
  // there is. on.lost() says that the connection is gone, once for each that was, or that there is none.
  constructor(on) {
    this.#on = on;
  }

  // open connects for account, "" for none; what was open is closed.
  open(account) {
    this.#account = account;
    this.#failures = 0;
    this.#begin();
  }

  // check is called once a second.
  check() {
    if (this.#source && performance.now() - this.#heardMs > silenceMs) this.#lose();
  }

  // asked is the account whose details the open connection brings.
  get asked() {
    return this.#asked;
  }

  #begin() {
    this.#end();
    // The bridge may refuse an account that it does not know, and a browser does not tell why an attempt failed. So every
    // second attempt asks for the overview alone.
    this.#asked = this.#failures % 2 ? '' : this.#account;
    const source = new EventSource(this.#asked ? '/live?account=' + encodeURIComponent(this.#asked) : '/live');
    const first = new Set(kinds);
    this.#source = source;
    this.#heardMs = performance.now();
    for (const kind of kinds) {
      source.addEventListener(kind, (event) => {
        this.#heardMs = performance.now();
        this.#failures = 0;
        this.#on.frame(kind, JSON.parse(event.data), first.delete(kind));
      });
    }
    source.onerror = () => this.#lose();
  }

  #lose() {
    this.#end();
    const wait = waitsMs[Math.min(this.#failures, waitsMs.length - 1)];
    this.#failures++;
    this.#timer = setTimeout(() => this.#begin(), wait);
    this.#on.lost();
  }

  #end() {
    clearTimeout(this.#timer);
    this.#source?.close(); // no frame comes from it after this
    this.#source = null;
  }
}
