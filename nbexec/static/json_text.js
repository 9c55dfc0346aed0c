/**
 * JSON whose numbers keep all that was written: 1.0 stays 1.0, and no digit is lost. JavaScript's own numbers keep neither.
 */
define(function () {
    "use strict";

    var TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

    /**
     * A number as it was written.
     *
     * @constructor
     */
    var NumberText = function (text) {
        this._text = text;
    };

    NumberText.prototype.toString = NumberText.prototype.toJSON = function () {
        return this._text;
    };

    /** What a JSON text stands for, with a `NumberText` for each number. */
    var parse = function (text) {
        var mark = '#';
        while (text.indexOf('"' + mark) !== -1) {  // no text in it may begin as a number does now
            mark += '#';
        }
        var marked = text.replace(TOKENS, function (token) {
            return token[0] === '"' ? token : '"' + mark + token + '"';
        });
        return JSON.parse(marked, function (name, value) {
            return typeof value === 'string' && value.indexOf(mark) === 0 ? new NumberText(value.slice(mark.length)) : value;
        });
    };

    /** The JSON text of what `parse` has returned. */
    var stringify = function (value) {
        if (value instanceof NumberText) {
            return String(value);
        }
        if (Array.isArray(value)) {
            return '[' + value.map(stringify).join(', ') + ']';
        }
        if (value !== null && typeof value === 'object') {
            return '{' + Object.keys(value).map(function (name) {
                return JSON.stringify(name) + ': ' + stringify(value[name]);
            }).join(', ') + '}';
        }
        return JSON.stringify(value);
    };

    /** A value as people write it: a text as it is, all else as JSON. */
    var textOf = function (value) {
        return typeof value === 'string' ? value : stringify(value);
    };

    return {parse: parse, stringify: stringify, textOf: textOf};
});
