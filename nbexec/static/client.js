/**
 * Talks to the execution API; knows no page and no selector.
 *
 * All requests return promises. What they are rejected with is always `{status, message}`: the HTTP status (0 if the
 * server cannot be reached) and a sentence to show. The sentences of the API itself are passed on as they are.
 */
define(['base/js/utils', 'base/js/i18n'], function (utils, i18n) {
    "use strict";

    var SILENCE = 40 * 1000;  // longer than two heartbeats of the server: the connection is dead
    var FIRST_PAUSE = 500, LONGEST_PAUSE = 5 * 1000;
    var HIDDEN = 10 * 1000;  // after which a page that nobody sees gives up its connection
    var AT_ONCE = 4;  // requests of `removeMany`

    /**
     * @constructor
     * @param {string} base_url - of the server, as `utils.get_body_data('baseUrl')` has it
     */
    var Client = function (base_url) {
        this.base_url = base_url;
        this._token = '';
        this._asked = null;  // the promise of a token that is under way
        this._ahead = 0;  // milliseconds that the clock of the server is ahead of that of the browser
    };

    /** The time by the clock of the server, in seconds since the epoch. */
    Client.prototype.now = function () {
        return (Date.now() + this._ahead) / 1000;
    };

    // -- requests ------------------------------------------------------------------------------------------------

    /** What a notebook can be given: GET /api/executions/parameters?notebook=path; resolves to a list. */
    Client.prototype.parameters = function (path) {
        return this._json('GET', '/parameters?notebook=' + encodeURIComponent(path)).then(function (answer) {
            return answer.parameters;
        });
    };

    /**
     * Execute a notebook: POST /api/executions; resolves to the model.
     *
     * @param {Object} fields - texts by name: `notebook`, other arguments of the API, parameters
     * @param {string} [key] - Idempotency-Key: the same request with the same key runs once
     * @param {string} [origin] - id of the execution that fields were filled in from, if not all were typed here
     */
    Client.prototype.start = function (fields, key, origin) {
        var headers = key ? {'Idempotency-Key': key} : {};
        if (origin) {
            headers['X-Values-From'] = origin;
        }
        return this._json('POST', '', fields, headers).then(function (event) {
            return event.execution;
        });
    };

    /** All executions: GET /api/executions; resolves to a list of models. */
    Client.prototype.list = function () {
        return this._json('GET', '').then(function (answer) { return answer.executions; });
    };

    /** One execution: GET /api/executions/id; resolves to its model. */
    Client.prototype.get = function (id) {
        return this._json('GET', path_of(id)).then(function (answer) { return answer.execution; });
    };

    /** End a run: POST /api/executions/id with action=shutdown. The stream tells when it has ended. */
    Client.prototype.shutdown = function (id) {
        return this._request('POST', path_of(id), {action: 'shutdown'});
    };

    /** Forget an execution, and end it if it runs: DELETE /api/executions/id. */
    Client.prototype.remove = function (id) {
        return this._request('DELETE', path_of(id));
    };

    /** Forget all executions: DELETE /api/executions. */
    Client.prototype.removeAll = function () {
        return this._request('DELETE', '');
    };

    /** Forget the executions with these ids, a few at a time; those that are gone already do not matter. */
    Client.prototype.removeMany = function (ids) {
        var that = this, left = ids.slice();
        var next = function () {
            if (!left.length) {
                return null;
            }
            return that.remove(left.shift()).catch(function (error) {
                if (error.status !== 404) {
                    throw error;
                }
            }).then(next);
        };
        return Promise.all(left.slice(0, AT_ONCE).map(next));
    };

    /** The kernels that can execute notebooks, as `{name, title}`, and which is the default: GET /api/kernelspecs. */
    Client.prototype.kernels = function () {
        var url = utils.url_path_join(this.base_url, 'api/kernelspecs');
        return new Promise(function (resolve, reject) {
            utils.ajax(url, {type: 'GET', dataType: 'json'}).then(function (answer) {
                var specs = answer.kernelspecs;
                var names = Object.keys(specs).filter(function (name) {
                    return specs[name].spec.language === 'python';
                });
                resolve({'default': answer['default'], kernels: names.map(function (name) {
                    return {name: name, title: specs[name].spec.display_name};
                })});
            }, function (xhr) {
                reject(xhr.status ? problem(xhr.status) : lost());
            });
        });
    };

    // -- streams -------------------------------------------------------------------------------------------------

    /**
     * Follow one execution to its end: GET /api/executions/id/events.
     *
     * @param {Object} options
     * @param {number} [options.since] - leave out the events up to this number
     * @param {boolean} [options.outputs] - have the output of running cells too
     * @param {function(Object)} options.onEvent - called with each event, once and in order
     * @param {function(string, Object=)} [options.onState] - called with 'connected', 'lost', 'unauthorized' (both are
     *     tried again), 'gone' (the server does not know the execution: the end), and the error
     * @return {function()} stop following
     */
    Client.prototype.follow = function (id, options) {
        var since = options.since || 0;
        return new Stream(this, {
            url: function () {
                return path_of(id) + '/events?since=' + since + (options.outputs ? '&outputs=1' : '');
            },
            on_event: function (event) {
                if (event.seq && event.seq <= since) {
                    return;
                }
                since = event.seq || since;
                options.onEvent(event);
            },
            is_last: is_last,
            on_state: options.onState
        }).stop;
    };

    /**
     * Follow what becomes of all executions: GET /api/executions/events.
     *
     * Nothing is said again after a pause, so a view asks for the list whenever the state becomes 'connected'.
     *
     * @param {Object} options - `onEvent` and `onState` as above
     * @return {function()} stop following
     */
    Client.prototype.followAll = function (options) {
        return new Stream(this, {
            url: function () { return '/events'; },
            on_event: options.onEvent,
            is_last: function () { return false; },
            on_state: options.onState
        }).stop;
    };

    /** Whether an event is the last one of its execution. */
    var is_last = function (event) {
        return event.event === 'notebook_complete' || event.event === 'notebook_error';
    };

    /**
     * A stream that is opened again whenever it breaks, until its last event or `stop()`.
     *
     * Browsers open six connections to a server, for all of their pages together. So a page that nobody sees gives
     * its own back, and goes on where it was when it is seen again.
     */
    var Stream = function (client, options) {
        this.client = client;
        this.options = options;
        this.pause = FIRST_PAUSE;
        this.timer = null;  // for the next try
        this.watchdog = null;
        this.controller = null;
        this.stopped = false;
        this.stop = this.stop.bind(this);
        this.connect = this.connect.bind(this);
        this.on_visibility = this.on_visibility.bind(this);
        document.addEventListener('visibilitychange', this.on_visibility);
        window.addEventListener('online', this.connect);
        this.connect();
    };

    Stream.prototype.stop = function () {
        this.stopped = true;
        document.removeEventListener('visibilitychange', this.on_visibility);
        window.removeEventListener('online', this.connect);
        this.disconnect();
    };

    Stream.prototype.disconnect = function () {
        clearTimeout(this.timer);
        clearTimeout(this.watchdog);
        if (this.controller) {
            this.controller.abort();
            this.controller = null;
        }
    };

    Stream.prototype.on_visibility = function () {
        clearTimeout(this.hiding);
        if (document.hidden) {
            this.hiding = setTimeout(this.disconnect.bind(this), HIDDEN);
        } else if (!this.controller) {
            this.connect();
        }
    };

    /** Open the stream; one that is open already is given up. */
    Stream.prototype.connect = function () {
        if (this.stopped) {
            return;
        }
        this.disconnect();
        var that = this, controller = this.controller = new AbortController();
        var is_current = function () { return that.controller === controller; };
        this.watch();
        this.client._request('GET', this.options.url(), null, {}, controller.signal).then(function (response) {
            if (!is_current()) {
                return;
            }
            that.pause = FIRST_PAUSE;
            that.tell('connected');
            read_lines(response.body.getReader(), is_current, that.take.bind(that), function () {
                if (is_current()) {
                    that.break_off(lost());
                }
            });
        }).catch(function (error) {
            if (is_current()) {
                that.break_off(error);
            }
        });
    };

    /** Take a line, which is empty for a heartbeat. */
    Stream.prototype.take = function (line) {
        this.watch();
        if (!line || this.stopped) {
            return;
        }
        var event = JSON.parse(line);
        try {
            this.options.on_event(event);
        } catch (error) {
            console.error('nbexec: an event could not be shown', error);
        }
        if (this.options.is_last(event)) {
            this.stop();
        }
    };

    /** Give up a connection that has said nothing for too long. */
    Stream.prototype.watch = function () {
        clearTimeout(this.watchdog);
        this.watchdog = setTimeout(this.break_off.bind(this, lost()), SILENCE);
    };

    /** Say what has happened, and try again later. */
    Stream.prototype.break_off = function (error) {
        this.disconnect();
        if (this.stopped) {
            return;
        }
        if (error.status === 404) {
            this.stop();
            this.tell('gone', error);
            return;
        }
        this.timer = setTimeout(this.connect, document.hidden ? LONGEST_PAUSE : this.pause);
        this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
        this.tell(error.status === 401 ? 'unauthorized' : 'lost', error);
    };

    Stream.prototype.tell = function (state, error) {
        if (this.options.on_state) {
            this.options.on_state(state, error);
        }
    };

    /** Pass on each line as it comes. The promises are not chained, for a stream may last for days. */
    var read_lines = function (reader, is_wanted, on_line, on_end) {
        var decoder = new TextDecoder(), rest = '';
        var next = function () {
            reader.read().then(function (piece) {
                if (piece.done || !is_wanted()) {
                    return on_end();
                }
                var lines = decoder.decode(piece.value, {stream: true}).split('\n');
                lines[0] = rest + lines[0];
                rest = lines.pop();
                lines.forEach(on_line);
                next();
            }).catch(on_end);
        };
        next();
    };

    // -- how they are made ---------------------------------------------------------------------------------------

    var path_of = function (id) {
        return '/' + encodeURIComponent(id);
    };

    var problem = function (status, message, field) {
        if (status === 401) {
            message = i18n.msg._("You are not logged in to this server any more.");
        }
        return {status: status, field: field, message: message
            || i18n.msg.sprintf(i18n.msg._("The server answered with the status %s."), status)};
    };

    var lost = function () {
        return {status: 0, message: i18n.msg._("The server cannot be reached.")};
    };

    Client.prototype._json = function (method, path, fields, headers) {
        return this._request(method, path, fields, headers).then(function (response) {
            return response.json().catch(function () { throw lost(); });
        });
    };

    /** Send a request; a token that is refused is replaced once. Resolves to the response if it is a good one. */
    Client.prototype._request = function (method, path, fields, headers, signal) {
        var that = this;
        var send = function (token) {
            return that._fetch(token, method, path, fields, headers, signal);
        };
        return this._get_token().then(function (token) {
            return send(token).catch(function (error) {
                if (error.status !== 401) {
                    throw error;
                }
                return that._renew_token(token).then(send);
            });
        });
    };

    Client.prototype._fetch = function (token, method, path, fields, headers, signal) {
        var settings = {method: method, credentials: 'omit', cache: 'no-store', signal: signal,
                        headers: Object.assign({'Authorization': 'token ' + token}, headers)};
        if (fields) {
            settings.body = new URLSearchParams(fields);
        }
        var that = this;
        return fetch(utils.url_path_join(this.base_url, 'api/executions') + path, settings).then(function (response) {
            that._compare_clocks(response.headers.get('Date'));
            return response.ok ? response : refused(response);
        }, function () {
            throw lost();
        });
    };

    Client.prototype._compare_clocks = function (date) {
        var ahead = Date.parse(date || '') - Date.now();
        this._ahead = Math.abs(ahead) > 2000 ? ahead : 0;  // the header has whole seconds, and takes its time
    };

    /** Throw what the API says; what says nothing in JSON comes from a proxy, and is no word about an execution. */
    var refused = function (response) {
        return response.json().then(function (answer) { return answer.message; }, function () {
            return null;
        }).then(function (message) {
            var field = response.headers.get('X-Error-Field');
            throw problem(response.status === 404 && !message ? 502 : response.status, message,
                          field === null ? undefined : decodeURIComponent(field));
        });
    };

    // -- the token: a short-lived one, which tells the server that a page of its own asks ----------------------------

    Client.prototype._get_token = function () {
        return this._token ? Promise.resolve(this._token) : this._renew_token(this._token);
    };

    /** Ask for another token than `refused`, for whoever is logged in: POST /nbexec/token. */
    Client.prototype._renew_token = function (refused) {
        var that = this;
        if (this._token !== refused) {
            return Promise.resolve(this._token);  // somebody else was faster
        }
        this._asked = this._asked || this._ask_token().then(function (token) {
            that._asked = null;
            that._token = token;
            return token;
        }, function (error) {
            that._asked = null;
            throw error;
        });
        return this._asked;
    };

    Client.prototype._ask_token = function () {
        var url = utils.url_path_join(this.base_url, 'nbexec/token');
        return new Promise(function (resolve, reject) {
            // jQuery follows the redirect to a login page, which is no JSON.
            utils.ajax(url, {type: 'POST', dataType: 'json', cache: false}).then(function (answer) {
                resolve(answer.token);
            }, function (xhr) {
                reject(xhr.status === 0 ? lost() : problem(xhr.status >= 500 ? xhr.status : 401));
            });
        });
    };

    Client.is_last = is_last;
    return {Client: Client};
});
