/**
 * The commands that run a notebook with the same values, for bash and zsh. Draws nothing and asks for nothing.
 *
 * A command never has a token or a secret value in it: shell variables stand for them.
 */
define(['base/js/utils'], function (utils) {
    "use strict";

    var MASK = '********';  // what stands for a secret value in a model
    var OPTIONS = {output_path: '--output', overwrite: '--overwrite', jupyter_kernel: '--kernel', cell_timeout: '--timeout'};
    var FLAGS = ['overwrite'];
    var NEXT = ' \\\n  ';  // a command goes on in the next line
    var PLAIN = /^[\w.,:/@%+=-]+$/;
    var CONTROL = /[\u0000-\u001f\u007f]/;

    /** The shell variable that stands for a secret value. */
    var variableOf = function (name) {
        return '$SECRET_' + name.replace(/[^A-Za-z0-9_]/g, '_');
    };

    /** A text as one word of a shell. */
    var quoted = function (text) {
        if (PLAIN.test(text)) {
            return text;
        }
        if (!CONTROL.test(text)) {
            return "'" + text.replace(/'/g, "'\\''") + "'";
        }
        return "$'" + text.replace(/[\\'!\u0000-\u001f\u007f]/g, function (character) {
            return '\\' + ('00' + character.charCodeAt(0).toString(8)).slice(-3);
        }) + "'";
    };

    /** What URLs can carry: half a surrogate pair is no character. */
    var whole = function (text) {
        return text.replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (found) {
            return found.length === 2 ? found : '\ufffd';
        });
    };

    var isSecret = function (fields, name, secret) {
        return (secret || []).indexOf(name) !== -1 || fields[name] === MASK;
    };

    /** One field of the form that curl sends; a terminal that pastes control characters might change them. */
    var formField = function (name, value, isHidden) {
        var start = encodeURIComponent(name) + '=';
        if (isHidden) {
            return '--data-urlencode "' + start + variableOf(name) + '"';
        }
        return CONTROL.test(value) ? '-d ' + start + encodeURIComponent(whole(value)).replace(/'/g, '%27')
            : '--data-urlencode ' + quoted(start + whole(value));
    };

    /**
     * The command for curl.
     *
     * @param {string} baseUrl - of the server, as `utils.get_body_data('baseUrl')` has it
     * @param {Object} fields - texts by name, as for `Client.start`: `notebook`, other arguments of the API, parameters
     * @param {Array<string>} [secret] - names of secret parameters
     */
    var curl = function (baseUrl, fields, secret) {
        return ['curl -sS -H "Authorization: token $NBEXEC_TOKEN"'].concat(Object.keys(fields).map(function (name) {
            return formField(name, fields[name], isSecret(fields, name, secret));
        }), quoted(serverUrl(baseUrl, 'api/executions'))).join(NEXT);
    };

    /** The command `nbexec run`; the parameters are those of `curl`. It takes the token from NBEXEC_TOKEN itself. */
    var nbexecRun = function (baseUrl, fields, secret) {
        var words = Object.keys(fields).filter(function (name) { return name !== 'notebook'; }).map(function (name) {
            return optionOf(name, fields[name], isSecret(fields, name, secret));
        }).filter(Boolean);
        return ['nbexec run --server ' + quoted(serverUrl(baseUrl, ''))].concat(
            words, '-- ' + quoted(fields.notebook)).join(NEXT);
    };

    var optionOf = function (name, value, isHidden) {
        if (FLAGS.indexOf(name) !== -1) {
            return /^(true|1)$/i.test(value) ? OPTIONS[name] : null;
        }
        if (Object.prototype.hasOwnProperty.call(OPTIONS, name)) {
            // Names in braces are patterns for --output.
            return OPTIONS[name] + ' ' + quoted(name === 'output_path' ? value.replace(/[{}]/g, '$&$&') : value);
        }
        return isHidden ? '-p "' + name + '=' + variableOf(name) + '"' : '-p ' + quoted(name + '=' + whole(value));
    };

    var serverUrl = function (baseUrl, path) {
        return window.location.origin + utils.url_path_join(baseUrl, path);
    };

    return {curl: curl, nbexecRun: nbexecRun, quoted: quoted};
});
