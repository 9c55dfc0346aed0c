/**
 * One field of the form: its label, its control, what there is to say about it, and what it is to be sent as.
 *
 * A control may hold less than what it was filled with (line ends, digits); so what nobody has touched is sent as it was
 * given, or not at all.
 */
define(['jquery', 'base/js/i18n'], function ($, i18n) {
    "use strict";

    var LONGEST_LINE = 60;  // characters of a value in a note or on a button
    var NONE = /^(null|None)$/;
    var NUMBERS = {
        int: /^\s*[+-]?(0x[\da-f_]+|0o[0-7_]+|0b[01_]+|\d[\d_]*)\s*$/i,
        float: /^\s*[+-]?(inf(inity)?|nan|(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?)\s*$/i
    };

    /**
     * @constructor
     * @param {string} id - of the control
     * @param {Object} options
     * @param {string} options.name - in the request
     * @param {string} options.label
     * @param {string} options.kind - 'text', 'number', 'checkbox', 'select' or 'password'
     * @param {?string} options.defaultText - what it is left at if nothing is sent, null if that is not known
     * @param {string} [options.given] - what it has at first
     * @param {string} [options.type] - 'int' or 'float', of a number
     * @param {boolean} [options.isNullable] - whether null is accepted
     * @param {boolean} [options.isGivenEmpty] - whether an empty text is sent too
     * @param {Array<Object>} [options.choices] - `{name, title}`, of a select
     * @param {string} [options.placeholder], [options.help], [options.note], [options.min]
     * @param {Array<string>} [options.examples]
     */
    var FormField = function (id, options) {
        this.name = options.name;
        this._id = id;
        this._options = options;
        this._given = options.given === undefined ? null : options.given;
        this.control = this._makeControl().attr({
            id: id, name: options.name, 'aria-describedby': id + '_help ' + id + '_error',
            autocomplete: options.kind === 'password' ? 'new-password' : 'off', spellcheck: 'false'});
        this._error = $('<div>').attr({id: id + '_error', role: 'alert'}).addClass('help-block nbexec-error');
        this.element = this._makeGroup();
        this._initial = this._value();
    };

    // -- drawing ---------------------------------------------------------------------------------------------------

    FormField.prototype._makeControl = function () {
        var options = this._options;
        var text = this._given !== null ? this._given : options.defaultText !== null ? options.defaultText : '';
        if (options.kind === 'checkbox') {
            return $('<input>').attr('type', 'checkbox').prop('checked', isTrue(text));
        }
        var control = options.kind === 'select' ? this._makeSelect() : this._makeInput(text);
        return control.addClass('form-control input-sm').val(options.kind === 'password' ? '' : text);
    };

    FormField.prototype._makeSelect = function () {
        return $('<select>').append(this._options.choices.map(function (choice) {
            return $('<option>').val(choice.name).text(choice.title);
        }));
    };

    FormField.prototype._makeInput = function (text) {
        var options = this._options, isNumber = options.kind === 'number' && (text === '' || !isNaN(Number(text)));
        if (options.kind === 'text' && /[\r\n]/.test(text)) {
            return $('<textarea>').attr('rows', Math.min(text.split('\n').length + 1, 12));
        }
        var type = options.kind === 'password' ? 'password' : isNumber ? 'number' : 'text';
        var input = $('<input>').attr({type: type, placeholder: options.placeholder});
        return isNumber ? input.attr({step: options.type === 'int' ? '1' : 'any', min: options.min || null}) : input;
    };

    FormField.prototype._makeGroup = function () {
        var options = this._options, column = $('<div>').addClass('col-sm-9');
        var label = $('<label>').attr('for', this._id).text(options.label);
        var group = $('<div>').addClass('form-group').attr('data-name', options.name);
        if (options.kind === 'checkbox') {
            column.addClass('col-sm-offset-3').append($('<div>').addClass('checkbox').append(
                label.empty().append(this.control, ' ', $('<span>').text(options.label))));
            group.append(column);
        } else {
            group.append(label.addClass('col-sm-3 control-label'), column.append(this.control));
        }
        column.append(this._error, this._makeHelp(), this._makeExamples());
        return group;
    };

    FormField.prototype._makeHelp = function () {
        var options = this._options, help = $('<div>').attr('id', this._id + '_help').addClass('help-block');
        if (options.help) {
            help.append($('<span>').text(options.help));
        }
        if (options.note) {
            help.append($('<small>').addClass('nbexec-note').text(options.note));
        }
        return help;
    };

    /** Buttons that put an example into the field. */
    FormField.prototype._makeExamples = function () {
        var options = this._options, control = this.control;
        if (!options.examples || !options.examples.length || options.kind === 'checkbox') {
            return null;
        }
        return $('<div>').addClass('nbexec-examples').append(
            $('<span>').text(i18n.msg._("For example:")),
            options.examples.map(function (example) {
                var label = i18n.msg.sprintf(i18n.msg._("Set %1$s to %2$s"), options.label, example);
                return $('<button>').attr({type: 'button', 'aria-label': label}).addClass('btn btn-default btn-xs')
                    .text(example === '' ? i18n.msg._("(empty)") : shortened(example))
                    .click(function () { control.val(example).trigger('input').focus(); });
            }));
    };

    /** Offer more in a select, and choose what was given. */
    FormField.prototype.addChoices = function (choices) {
        this.control.append(choices.map(function (choice) {
            return $('<option>').val(choice.name).text(choice.title);
        }));
        if (this._given !== null && !this._value()) {
            this.control.val(this._given);
            this._initial = this._value();
        }
    };

    // -- what it holds ---------------------------------------------------------------------------------------------

    FormField.prototype._value = function () {
        return this._options.kind === 'checkbox' ? String(this.control.prop('checked')) : this.control.val();
    };

    /** What is sent, or null if it is to be left to the notebook and the server. */
    FormField.prototype.text = function () {
        var value = this._value(), options = this._options;
        if (value === this._initial && options.kind !== 'password') {
            value = this._given;
        }
        var isSame = value !== null && options.kind === 'checkbox' && isTrue(value) === isTrue(options.defaultText);
        var isLeft = isSame || value === options.defaultText || (value === '' && !options.isGivenEmpty);
        return isLeft ? null : value;
    };

    /** What is wrong with it as far as can be told here, else ''. */
    FormField.prototype.mistake = function () {
        var text = this.text(), pattern = NUMBERS[this._options.type];
        if (this._options.isNullable && NONE.test(text)) {
            return '';
        }
        if ((this.control[0].validity || {}).badInput || (text !== null && pattern && !pattern.test(text))) {
            return this._options.type === 'int' ? i18n.msg._("Enter a whole number.") : i18n.msg._("Enter a number.");
        }
        return '';
    };

    /** Whether the browser keeps to itself what was typed. */
    FormField.prototype.isUnreadable = function () {
        return Boolean((this.control[0].validity || {}).badInput);
    };

    FormField.prototype.showError = function (message) {
        this.element.addClass('has-error').show();
        this._error.text(message);
        this.control.attr('aria-invalid', 'true');
    };

    FormField.prototype.clearError = function () {
        this.element.removeClass('has-error');
        this._error.empty();
        this.control.removeAttr('aria-invalid');
    };

    /** Whether a search finds it. */
    FormField.prototype.matches = function (word) {
        return (this._options.label + ' ' + (this._options.help || '')).toLowerCase().indexOf(word.toLowerCase()) !== -1;
    };

    // -- the field of a parameter ----------------------------------------------------------------------------------

    var LEFT = i18n.msg._("left to the notebook");
    var TYPES = {
        bool: i18n.msg._("yes or no"),
        int: i18n.msg._("whole number"),
        float: i18n.msg._("number"),
        str: i18n.msg._("text"),
        list: i18n.msg._("list in JSON"),
        dict: i18n.msg._("dict in JSON")
    };

    /** The options of a field for a parameter, as GET /api/executions/parameters has it. */
    var ofParameter = function (parameter, given) {
        var hasDefault = parameter.default !== null && !parameter.secret;
        var defaultText = hasDefault ? textOf(parameter.default) : null, kind = kindOf(parameter, defaultText);
        if (kind === 'select' && given !== undefined && parameter.nullable && NONE.test(given)) {
            given = 'null';
        } else if (kind === 'select' && !parameter.choices && given !== undefined) {
            given = String(isTrue(given));
        }
        return {
            name: parameter.name, label: parameter.name, isNullable: parameter.nullable,
            type: kind === 'select' ? null : parameter.type, kind: kind,
            choices: kind === 'select' ? choicesOf(parameter, defaultText) : null, defaultText: defaultText, given: given,
            // An empty number is no number, and a text without default is given if there is any.
            isGivenEmpty: parameter.type === 'str' && defaultText !== null,
            placeholder: !hasDefault ? LEFT : kind === 'number' || NUMBERS[parameter.type] ? defaultText : '',
            help: parameter.desc, note: noteOf(parameter, defaultText), examples: parameter.examples
        };
    };

    /** A value as a form has it: lists and dicts as JSON. */
    var textOf = function (value) {
        return typeof value === 'object' ? JSON.stringify(value) : String(value);
    };

    var kindOf = function (parameter, defaultText) {
        if (parameter.secret) {
            return 'password';
        }
        if (parameter.choices || (parameter.type === 'bool' && (defaultText === null || parameter.nullable))) {
            return 'select';
        }
        if (parameter.type === 'bool') {
            return 'checkbox';
        }
        var known = parameter.examples.concat(defaultText === null ? [] : defaultText);
        return NUMBERS[parameter.type] && !parameter.nullable && fitsNumber(known)
            ? 'number' : 'text';
    };

    /** What a list offers: all that is accepted, and first to leave it to the notebook. */
    var choicesOf = function (parameter, defaultText) {
        var values = (parameter.choices || ['true', 'false']).map(String).concat(parameter.nullable ? 'null' : []);
        var first = values.indexOf(defaultText) === -1 ? [{name: '', title: LEFT}] : [];
        return first.concat(values.map(function (value) { return {name: value, title: shortened(value)}; }));
    };

    /** Whether a number field can hold these; inf and 0x2a, for example, are not in it. */
    var fitsNumber = function (values) {
        return values.every(function (text) { return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text); });
    };

    var noteOf = function (parameter, defaultText) {
        var type = TYPES[parameter.type] || parameter.type;
        if (parameter.secret) {
            return i18n.msg.sprintf(i18n.msg._("%s, secret: never shown or stored"), type);
        }
        if (defaultText === null) {
            return i18n.msg.sprintf(i18n.msg._("%s, no default"), type);
        }
        return defaultText === '' || parameter.type === 'bool'
            ? type : i18n.msg.sprintf(i18n.msg._("%1$s, default: %2$s"), type, shortened(defaultText));
    };

    /** A value in one short line. */
    var shortened = function (text) {
        var line = text.replace(/\r?\n|\r/g, ' ⏎ ');
        return line.length > LONGEST_LINE ? line.slice(0, LONGEST_LINE) + '…' : line;
    };

    var isTrue = function (text) {
        return /^(true|1)$/i.test(text);
    };

    return {FormField: FormField, ofParameter: ofParameter};
});
