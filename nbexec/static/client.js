/**
 * Talks to the execution API; knows no page and no selector.
 *
 * All requests return promises. What they are rejected with is always `{status, message, field, retryAfter}`: the HTTP
 * status (0 if the server cannot be reached), a sentence to show, the name of the field of the request that it is about,
 * and the seconds that a busy server asks to wait. The sentences of the API itself are passed on as they are.
 */
define(['base/js/utils', 'base/js/i18n', './json_text'], function (utils, i18n, jsonText) {
    "use strict";

    var SILENCE = 40 * 1000;  // longer than two heartbeats of the server: the connection is dead
    var FIRST_PAUSE = 500, LONGEST_PAUSE = 5 * 1000;
    var HIDDEN = 10 * 1000;  // after which a page that nobody sees gives up its connection
    var AT_ONCE = 4;  // requests of `removeMany`

    /**
     * @constructor
     * @param {string} baseUrl - of the server, as `utils.get_body_data('baseUrl')` has it
     */
    var Client = function (baseUrl) {
        this.baseUrl = baseUrl;
        this._token = '';
        this._asked = null;  // the promise of a token that is under way
        this._ahead = 0;  // milliseconds that the clock of the server is ahead of that of the browser
    };

    /** The time by the clock of the server, in seconds since the epoch. */
    Client.prototype.now = function () {
        return (Date.now() + this._ahead) / 1000;
    };

    // -- requests ------------------------------------------------------------------------------------------------

    /**
     * What a notebook can be given: GET /api/executions/parameters?details=true&notebook=path; resolves to `{parameters,
     * reserved}`, with numbers as `json_text` has them.
     */
    Client.prototype.parameters = function (path) {
        var query = '?details=true&notebook=' + encodeURIComponent(path);
        return this.request('GET', '/parameters' + query).then(function (response) {
            return response.text();
        }).then(jsonText.parse);
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

    /**
     * Some executions: GET /api/executions, with what selects them; resolves to `{models, next}`, which is where the next
     * ones begin if there is a limit, null at the end.
     */
    Client.prototype.listPage = function (query) {
        return this._json('GET', '?' + new URLSearchParams(query)).then(function (answer) {
            return {models: answer.executions, next: answer.next};
        });
    };

    /** One execution: GET /api/executions/id; resolves to its model. */
    Client.prototype.get = function (id) {
        return this._json('GET', pathOf(id)).then(function (answer) { return answer.execution; });
    };

    /** The output notebook as a page that can do nothing: GET /api/executions/id/output?format=html; resolves to HTML. */
    Client.prototype.report = function (id, hasCode) {
        return this.request('GET', pathOf(id) + '/output?format=html&partial=1&code=' + hasCode).then(function (response) {
            return response.text();
        });
    };

    /** The output notebook as a file: GET /api/executions/id/output with download=1; resolves to `{name, content}`. */
    Client.prototype.download = function (id, format) {
        return this.request('GET', pathOf(id) + '/output?download=1&partial=1&format=' + format).then(function (response) {
            var name = (response.headers.get('Content-Disposition') || '').split("''")[1] || 'output.' + format;
            return response.blob().then(function (content) {
                return {name: decodeURIComponent(name), content: content};
            });
        });
    };

    /** End a run: POST /api/executions/id with action=shutdown. The stream tells when it has ended. */
    Client.prototype.shutdown = function (id) {
        return this.request('POST', pathOf(id), {action: 'shutdown'});
    };

    /** Forget an execution, and end it if it runs: DELETE /api/executions/id. */
    Client.prototype.remove = function (id) {
        return this.request('DELETE', pathOf(id));
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
        var url = utils.url_path_join(this.baseUrl, 'api/kernelspecs');
        return new Promise(function (resolve, reject) {
            utils.ajax(url, {type: 'GET', dataType: 'json'}).then(function (answer) {
                var specs = answer.kernelspecs;
                var names = Object.keys(specs).filter(function (name) {
                    return specs[name].spec.language === 'python';
                });
                resolve({'default': answer.default, kernels: names.map(function (name) {
                    return {name: name, title: specs[name].spec.display_name};
                })});
            }, function (xhr) {
                reject(xhr.status ? problem(xhr.status) : lost());
            });
        });
    };

    /** Whether there is a file: GET /api/contents/path of the server; one that cannot be asked for is taken to be there. */
    Client.prototype.exists = function (path) {
        var url = utils.url_path_join(this.baseUrl, 'api/contents', utils.encode_uri_components(path)) + '?content=0';
        return new Promise(function (resolve) {
            utils.ajax(url, {type: 'GET', dataType: 'json', cache: false}).then(function () {
                resolve(true);
            }, function (xhr) {
                resolve(xhr.status !== 404);
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
                return pathOf(id) + '/events?since=' + since + (options.outputs ? '&outputs=1' : '');
            },
            onEvent: function (event) {
                if (event.seq && event.seq <= since) {
                    return;
                }
                since = event.seq || since;
                options.onEvent(event);
            },
            isLast: isLast,
            onState: options.onState
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
            onEvent: options.onEvent,
            isLast: function () { return false; },
            onState: options.onState
        }).stop;
    };

    /** Whether an event is the last one of its execution. */
    var isLast = function (event) {
        return event.event === 'notebook_complete' || event.event === 'notebook_error';
    };

    /**
     * A stream that is opened again whenever it breaks, until its last event or `stop()`.
     *
     * Browsers open six connections to a server, for all of their pages together. So a page that nobody sees gives
     * its own back, and goes on where it was when it is seen again.
     */
    var Stream = function (client, options) {
        this._client = client;
        this._options = options;
        this._pause = FIRST_PAUSE;
        this._timer = null;  // for the next try
        this._watchdog = null;
        this._controller = null;
        this._stopped = false;
        this.stop = this.stop.bind(this);
        this._connect = this._connect.bind(this);
        this._onVisibility = this._onVisibility.bind(this);
        document.addEventListener('visibilitychange', this._onVisibility);
        window.addEventListener('online', this._connect);
        this._connect();
    };

    Stream.prototype.stop = function () {
        this._stopped = true;
        document.removeEventListener('visibilitychange', this._onVisibility);
        window.removeEventListener('online', this._connect);
        this._disconnect();
    };

    Stream.prototype._disconnect = function () {
        clearTimeout(this._timer);
        clearTimeout(this._watchdog);
        if (this._controller) {
            this._controller.abort();
            this._controller = null;
        }
    };

    Stream.prototype._onVisibility = function () {
        clearTimeout(this._hiding);
        if (document.hidden) {
            this._hiding = setTimeout(this._disconnect.bind(this), HIDDEN);
        } else if (!this._controller) {
            this._connect();
        }
    };

    /** Open the stream; one that is open already is given up. */
    Stream.prototype._connect = function () {
        if (this._stopped) {
            return;
        }
        this._disconnect();
        var that = this, controller = this._controller = new AbortController();
        var isCurrent = function () { return that._controller === controller; };
        this._watch();
        this._client.request('GET', this._options.url(), null, {}, controller.signal).then(function (response) {
            if (!isCurrent()) {
                return;
            }
            that._pause = FIRST_PAUSE;
            that._tell('connected');
            readLines(response.body.getReader(), isCurrent, that._take.bind(that), function () {
                if (isCurrent()) {
                    that._breakOff(lost());
                }
            });
        }).catch(function (error) {
            if (isCurrent()) {
                that._breakOff(error);
            }
        });
    };

    /** Take a line, which is empty for a heartbeat. */
    Stream.prototype._take = function (line) {
        this._watch();
        if (!line || this._stopped) {
            return;
        }
        var event = JSON.parse(line);
        try {
            this._options.onEvent(event);
        } catch (error) {
            console.error('nbexec: an event could not be shown', error);
        }
        if (this._options.isLast(event)) {
            this.stop();
        }
    };

    /** Give up a connection that has said nothing for too long. */
    Stream.prototype._watch = function () {
        clearTimeout(this._watchdog);
        this._watchdog = setTimeout(this._breakOff.bind(this, lost()), SILENCE);
    };

    /** Say what has happened, and try again later. */
    Stream.prototype._breakOff = function (error) {
        this._disconnect();
        if (this._stopped) {
            return;
        }
        if (error.status === 404) {
            this.stop();
            this._tell('gone', error);
            return;
        }
        this._timer = setTimeout(this._connect, document.hidden ? LONGEST_PAUSE : this._pause);
        this._pause = Math.min(this._pause * 2, LONGEST_PAUSE);
        this._tell(error.status === 401 ? 'unauthorized' : 'lost', error);
    };

    Stream.prototype._tell = function (state, error) {
        if (this._options.onState) {
            this._options.onState(state, error);
        }
    };

    /** Pass on each line as it comes. The promises are not chained, for a stream may last for days. */
    var readLines = function (reader, isWanted, onLine, onEnd) {
        var decoder = new TextDecoder(), rest = '';
        var next = function () {
            reader.read().then(function (piece) {
                if (piece.done || !isWanted()) {
                    return onEnd();
                }
                var lines = decoder.decode(piece.value, {stream: true}).split('\n');
                lines[0] = rest + lines[0];
                rest = lines.pop();
                lines.forEach(onLine);
                next();
            }).catch(onEnd);
        };
        next();
    };

    // -- how they are made ---------------------------------------------------------------------------------------

    var pathOf = function (id) {
        return '/' + encodeURIComponent(id);
    };

    var problem = function (status, message, field) {
        if (status === 401) {
            message = i18n.msg._("You are no longer logged in to this server.");
        }
        return {status: status, field: field || null, message: message
            || i18n.msg.sprintf(i18n.msg._("The server answered with status %s."), status)};
    };

    var lost = function () {
        return {status: 0, field: null, message: i18n.msg._("The server cannot be reached.")};
    };

    Client.prototype._json = function (method, path, fields, headers) {
        return this.request(method, path, fields, headers).then(function (response) {
            return response.json().catch(function () { throw lost(); });
        });
    };

    /** Send a request; a token that is refused is replaced once. Resolves to the response if it is a good one. */
    Client.prototype.request = function (method, path, fields, headers, signal) {
        var that = this;
        var send = function (token) {
            return that._fetch(token, method, path, fields, headers, signal);
        };
        return this._getToken().then(function (token) {
            return send(token).catch(function (error) {
                if (error.status !== 401) {
                    throw error;
                }
                return that._renewToken(token).then(send);
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
        return fetch(utils.url_path_join(this.baseUrl, 'api/executions') + path, settings).then(function (response) {
            that._compareClocks(response.headers.get('Date'));
            return response.ok ? response : refused(response);
        }, function () {
            throw lost();
        });
    };

    Client.prototype._compareClocks = function (date) {
        var ahead = Date.parse(date || '') - Date.now();
        this._ahead = Math.abs(ahead) > 2000 ? ahead : 0;  // the header has whole seconds, and takes its time
    };

    /** Throw what the API says; what says nothing in JSON comes from a proxy, and is no word about an execution. */
    var refused = function (response) {
        var field = decodeURIComponent(response.headers.get('X-Error-Field') || '');
        return response.json().then(function (answer) { return answer.message; }, function () {
            return null;
        }).then(function (message) {
            var error = problem(response.status === 404 && !message ? 502 : response.status, message, field);
            error.retryAfter = Number(response.headers.get('Retry-After')) || null;
            throw error;
        });
    };

    // -- the token: a short-lived one, which tells the server that a page of its own asks ----------------------------

    Client.prototype._getToken = function () {
        return this._token ? Promise.resolve(this._token) : this._renewToken(this._token);
    };

    /** Ask for another token than `refused`, for whoever is logged in: POST /nbexec/token. */
    Client.prototype._renewToken = function (refused) {
        var that = this;
        if (this._token !== refused) {
            return Promise.resolve(this._token);  // somebody else was faster
        }
        this._asked = this._asked || this._askToken().then(function (token) {
            that._asked = null;
            that._token = token;
            return token;
        }, function (error) {
            that._asked = null;
            throw error;
        });
        return this._asked;
    };

    Client.prototype._askToken = function () {
        var url = utils.url_path_join(this.baseUrl, 'nbexec/token');
        return new Promise(function (resolve, reject) {
            // jQuery follows the redirect to a login page, which is no JSON.
            utils.ajax(url, {type: 'POST', dataType: 'json', cache: false}).then(function (answer) {
                resolve(answer.token);
            }, function (xhr) {
                reject(xhr.status === 0 ? lost() : problem(xhr.status >= 500 ? xhr.status : 401));
            });
        });
    };

    Client.isLast = isLast;
    return {Client: Client};
});
