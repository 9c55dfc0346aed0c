/**
 * What the field of a parameter is like, from what GET /api/executions/parameters says of it.
 */
define(['base/js/i18n', './form_field', './json_text', './value_check'], function (i18n, formField, jsonText, valueCheck) {
    "use strict";

    var NONE = /^(null|None)$/;
    var TYPES = {
        bool: i18n.msg._("yes or no"),
        int: i18n.msg._("whole number"),
        float: i18n.msg._("number"),
        str: i18n.msg._("text"),
        list: i18n.msg._("list in JSON"),
        dict: i18n.msg._("dict in JSON")
    };
    var FORMATS = {
        date: i18n.msg._("date, such as 2024-05-31"),
        'date-time': i18n.msg._("date and time, such as 2024-05-31T12:30")
    };
    var COMPUTED = i18n.msg._("computed by the notebook");

    /** The options of a field for a parameter; `given` is the text that it has at first, if there is one. */
    var optionsOf = function (parameter, given) {
        var hasDefault = !parameter.secret && !parameter.computed && !parameter.required;
        var defaultText = hasDefault ? jsonText.textOf(parameter.default) : null, kind = kindOf(parameter, hasDefault);
        var isNone = hasDefault && parameter.default === null;
        return {
            name: parameter.name, label: parameter.name, kind: kind, isRequired: Boolean(parameter.required),
            choices: kind === 'select' ? choicesOf(parameter, defaultText) : null,
            // A field that is empty stands for None, so that it can be told from the text.
            defaultText: isNone && kind === 'text' ? null : defaultText,
            given: kind === 'select' ? asChoice(parameter, given) : given,
            // An empty number is no number, and a text without default is given if there is any.
            isGivenEmpty: parameter.type === 'str' && hasDefault && !isNone,
            isLong: kind === 'text' && ['str', 'list', 'dict'].indexOf(parameter.type) !== -1 && !parameter.format,
            check: kind === 'select' ? null : checkOf(parameter),
            placeholder: placeholderOf(parameter),
            help: parameter.desc, note: noteOf(parameter, defaultText), examples: parameter.secret ? [] : parameter.examples
        };
    };

    var kindOf = function (parameter, hasDefault) {
        if (parameter.secret) {
            return 'password';
        }
        if (parameter.choices || parameter.type === 'bool') {
            var isEither = hasDefault && parameter.default !== null && !parameter.choices && !parameter.nullable;
            return isEither ? 'checkbox' : 'select';
        }
        return 'text';
    };

    /** What a list offers: all that is accepted, and first to leave it as it is. */
    var choicesOf = function (parameter, defaultText) {
        var values = (parameter.choices || [true, false]).map(jsonText.textOf).concat(parameter.nullable ? 'null' : []);
        var first = parameter.required ? i18n.msg._("not set") : parameter.computed ? COMPUTED : shownDefault(parameter);
        return (values.indexOf(defaultText) === -1 ? [{name: '', title: first}] : [])
            .concat(values.map(function (value) { return {name: value, title: formField.shortened(value)}; }));
    };

    /** A given text as the list has it, which may write the same value in another way. */
    var asChoice = function (parameter, given) {
        if (given === undefined) {
            return given;
        }
        if (parameter.nullable && NONE.test(given)) {
            return 'null';
        }
        return parameter.choices ? given : String(formField.isTrue(given));
    };

    var checkOf = function (parameter) {
        var type = parameter.format || parameter.type;
        return function (text) {
            return parameter.nullable && NONE.test(text) ? '' : valueCheck.mistakeIn(type, text);
        };
    };

    var placeholderOf = function (parameter) {
        if (parameter.required) {
            return i18n.msg._("required");
        }
        if (parameter.computed) {
            return COMPUTED;
        }
        if (parameter.secret) {
            return i18n.msg._("left to the notebook");
        }
        return parameter.default !== null && parameter.type === 'str' ? '' : shownDefault(parameter);
    };

    var shownDefault = function (parameter) {
        return parameter.default === null ? 'None' : formField.shortened(jsonText.textOf(parameter.default));
    };

    var noteOf = function (parameter, defaultText) {
        var type = FORMATS[parameter.format] || TYPES[parameter.type] || parameter.type;
        if (parameter.secret) {
            type = i18n.msg.sprintf(i18n.msg._("%s, secret: never shown or stored"), type);
        }
        if (parameter.required) {
            return i18n.msg.sprintf(i18n.msg._("%s, no default: the notebook needs a value"), type);
        }
        if (parameter.computed) {
            return i18n.msg.sprintf(i18n.msg._("%s, computed by the notebook"), type);
        }
        if (parameter.secret || defaultText === '' || (parameter.type === 'bool' && !parameter.nullable)) {
            return type;
        }
        return i18n.msg.sprintf(i18n.msg._("%1$s, default: %2$s"), type, shownDefault(parameter));
    };

    return {optionsOf: optionsOf};
});
