/**
 * One field of the form: its label, its control, what there is to say about it, and what it is to be sent as.
 *
 * A control may hold less than what it was filled with (line ends, digits); so what nobody has touched is sent as it was
 * given, or not at all.
 */
define(['jquery', 'base/js/i18n'], function ($, i18n) {
    "use strict";

    var LONGEST_LINE = 60;  // characters of a value in one line
    var MOST_ROWS = 12;
    var ENTER = 13;

    /**
     * @constructor
     * @param {string} id - of the control
     * @param {Object} options
     * @param {string} options.name - in the request
     * @param {string} options.label
     * @param {string} options.kind - 'text', 'checkbox', 'select' or 'password'
     * @param {?string} options.defaultText - what it is left at if nothing is sent, null if that is not known
     * @param {string} [options.given] - what it has at first
     * @param {function(string)} [options.check] - returns what is wrong with a text, else ''
     * @param {boolean} [options.isRequired] - whether running without a value is likely to fail
     * @param {boolean} [options.isGivenEmpty] - whether an empty text is sent too
     * @param {boolean} [options.isLong] - whether the text may have several lines
     * @param {Array<Object>} [options.choices] - `{name, title}`, of a select
     * @param {string} [options.placeholder], [options.help], [options.note]
     * @param {Array<string>} [options.examples]
     */
    var FormField = function (id, options) {
        this.name = options.name;
        this._id = id;
        this._options = options;
        this._given = options.given === undefined ? null : options.given;
        this._isEmptyChosen = false;  // by the button of an example
        this.control = this._makeControl();
        this._name(this.control);
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

    /** Numbers too are text, for the browser's own fields change some of them and cannot hold others. */
    FormField.prototype._makeInput = function (text) {
        var options = this._options;
        if (options.kind === 'text' && (/[\r\n]/.test(text) || (options.isLong && text.length > LONGEST_LINE))) {
            return makeArea(text);
        }
        var input = $('<input>').attr({type: options.kind, placeholder: options.placeholder});
        return options.isLong ? input.on('paste keydown', this._growFor.bind(this)) : input;
    };

    var makeArea = function (text) {
        return $('<textarea>').attr('rows', Math.min(text.split(/\r?\n|\r/).length + 1, MOST_ROWS));
    };

    /** Take several lines, which an input would join without a word: those that are pasted, or after Shift-Enter. */
    FormField.prototype._growFor = function (event) {
        var pasted = event.type === 'paste' ? event.originalEvent.clipboardData.getData('text/plain') : '';
        if (!/[\r\n]+[^\r\n]/.test(pasted) && !(event.which === ENTER && event.shiftKey)) {
            return;
        }
        event.preventDefault();
        var old = this.control[0], text = this.control.val();
        var start = text.slice(0, old.selectionStart) + (pasted || '\n');
        this._replaceControl(start + text.slice(old.selectionEnd));
        this.control[0].setSelectionRange(start.length, start.length);
    };

    FormField.prototype._replaceControl = function (text) {
        var area = makeArea(text).addClass('form-control input-sm').val(text);
        this.control.replaceWith(area);
        this.control = area;
        this._name(area);
        area.focus().trigger('input');
    };

    /** Say what a control is called, and where it is explained. */
    FormField.prototype._name = function (control) {
        var that = this, options = this._options, id = this._id;
        control.attr({
            id: id, name: options.name, 'aria-describedby': id + '_help ' + id + '_error', spellcheck: 'false',
            autocomplete: options.kind === 'password' ? 'new-password' : 'off',
            'aria-required': options.isRequired ? 'true' : null
        }).on('input', function () { that._isEmptyChosen = false; });
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
        var that = this, options = this._options;
        if (!options.examples || !options.examples.length || options.kind !== 'text') {
            return null;
        }
        return $('<div>').addClass('nbexec-examples').append(
            $('<span>').text(i18n.msg._("For example:")),
            options.examples.map(function (example) {
                var label = i18n.msg.sprintf(i18n.msg._("Set %1$s to %2$s"), options.label, example);
                return $('<button>').attr({type: 'button', 'aria-label': label}).addClass('btn btn-default btn-xs')
                    .text(example === '' ? i18n.msg._("(empty)") : shortened(example))
                    .click(function () { that._choose(example); });
            }));
    };

    FormField.prototype._choose = function (example) {
        this.control.val(example).trigger('input').focus();
        this._isEmptyChosen = example === '';
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
        var isEmpty = value === '' && !options.isGivenEmpty && !this._isEmptyChosen;
        var isLeft = isSame || isEmpty || value === options.defaultText;
        return isLeft ? null : value;
    };

    /** What is wrong with it as far as can be told here, else ''. */
    FormField.prototype.mistake = function () {
        var text = this.text();
        return text !== null && this._options.check ? this._options.check(text) : '';
    };

    /** Whether it needs a value and has none. */
    FormField.prototype.isMissing = function () {
        return Boolean(this._options.isRequired) && this.text() === null;
    };

    /** Whether its value must not be shown. */
    FormField.prototype.isSecret = function () {
        return this._options.kind === 'password';
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

    /** A value in one short line. */
    var shortened = function (text) {
        var line = text.replace(/\r?\n|\r/g, ' ⏎ ');
        return line.length > LONGEST_LINE ? line.slice(0, LONGEST_LINE) + '…' : line;
    };

    var isTrue = function (text) {
        return /^(true|1)$/i.test(text);
    };

    return {FormField: FormField, shortened: shortened, isTrue: isTrue};
});
