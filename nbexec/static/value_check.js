/**
 * Tells at once what the server would refuse, as far as that can be told from the type of a parameter alone.
 *
 * What is in doubt passes: the server has the last word.
 */
define(['base/js/i18n'], function (i18n) {
    "use strict";

    var ASCII = /^[\u0000-\u007f]*$/;  // Python takes digits and spaces of other scripts too
    var DIGITS = '\\d(?:_?\\d)*';
    var PATTERNS = {
        int: /^\s*[+-]?(0x(_?[\da-f])+|0o(_?[0-7])+|0b(_?[01])+|0(_?0)*|[1-9](_?\d)*)\s*$/i,
        float: new RegExp('^\\s*[+-]?(inf(inity)?|nan|(' + DIGITS + '\\.?(' + DIGITS + ')?|\\.' + DIGITS + ')(e[+-]?'
                          + DIGITS + ')?)\\s*$', 'i'),
        date: /^\d{4}-\d\d-\d\d$/,
        'date-time': /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{3}(\d{3})?)?)?(Z|[+-]\d\d:\d\d)?)?$/
    };
    var NOT_JSON = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;  // what Python reads as JSON too, and texts

    var isJson = function (text) {
        try {
            JSON.parse(text.replace(NOT_JSON, function (token) { return token[0] === '"' ? token : '0'; }));
            return true;
        } catch (error) {
            return false;
        }
    };

    var fits = function (type, text) {
        if (type === 'list' || type === 'dict') {
            return isJson(text);
        }
        return !PATTERNS[type] || !ASCII.test(text) || PATTERNS[type].test(text);
    };

    var SENTENCES = {
        date: i18n.msg._("Enter a date, such as 2024-05-31."),
        'date-time': i18n.msg._("Enter a date and time, such as 2024-05-31T12:30."),
        int: i18n.msg._("Enter a whole number."),
        float: i18n.msg._("Enter a number."),
        list: i18n.msg._("Enter a list in JSON, such as [1, 2.5, \"text\"]."),
        dict: i18n.msg._("Enter a dict in JSON, such as {\"name\": 1}.")
    };

    /** What is wrong with the text of a value of this type or format, else ''. */
    var mistakeIn = function (type, text) {
        return fits(type, text) ? '' : SENTENCES[type];
    };

    return {mistakeIn: mistakeIn};
});
