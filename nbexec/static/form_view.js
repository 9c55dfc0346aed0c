/**
 * Draws the form that a notebook is run with: its parameters, and how to run it.
 *
 * Only what was changed is sent, so that the defaults stay in the notebook alone. A refused value is reported at its
 * field, in the words of the API; which field that is, the answer says by name.
 */
define([
    'jquery', 'base/js/i18n', 'base/js/utils', './modal', './texts', './parts'
], function ($, i18n, utils, modal, texts, parts) {
    "use strict";

    var numberOfForms = 0;  // for ids that occur once in a page

    /**
     * @constructor
     * @param {Object} options
     * @param {Client} options.client
     * @param {string} options.path - of the notebook
     * @param {Object} [options.values] - what the fields have at first, texts by name: parameters and arguments
     * @param {string} [options.origin] - id of the execution that these are from
     * @param {string} [options.note] - a sentence that stands above the fields
     * @param {function(Object)} [options.onStarted] - called with the model of the execution
     * @param {function()} [options.insertTemplate] - puts a parameter cell into the notebook, if it is at hand
     * @param {Object} [options.notebook] - of the page, which has the focus again afterwards
     * @param {Object} [options.keyboard_manager] - of the page, which sleeps meanwhile
     */
    var FormView = function (options) {
        this._options = options;
        this._client = options.client;
        this._values = options.values || {};
        this._id = 'nbexec_form_' + (numberOfForms += 1);
        this._fields = null;  // by name
        this._request = null;  // what was sent last, with its key
        this._isShown = false;
    };

    /** Show the form in a dialog; the arguments are those of the constructor. */
    FormView.open = function (options) {
        var form = new FormView(options);
        form.open();
        return form;
    };

    FormView.prototype.open = function () {
        var that = this;
        this._element = $('<form>').attr({id: this._id, novalidate: ''}).addClass('nbexec-form form-horizontal');
        this._message = $('<div>').attr('role', 'alert').appendTo(this._element);
        this._content = $('<div>').append($('<p>').attr('role', 'status').text(i18n.msg._("Reading the parameters…")))
            .appendTo(this._element);
        this._element.on('submit', function () {
            that._submit();
            return false;
        });
        var buttons = {};
        buttons[i18n.msg._("Cancel")] = {};
        buttons[i18n.msg._("Run")] = {'class': 'btn-primary nbexec-run', click: function () {
            that._submit();
            return false;  // or the dialog would close
        }};
        this._dialog = modal.open({
            title: i18n.msg._("Run with parameters"),
            body: this._element,
            notebook: this._options.notebook,
            keyboard_manager: this._options.keyboard_manager,
            buttons: buttons,
            open: function () {
                that._isShown = true;
                that._focusFirst();
            }
        });
        this._dialog.find('.modal-title').append(
            $('<small>').addClass('nbexec-path').attr('title', this._options.path)
                .text(' ' + texts.nameOf(this._options.path)));
        // Of the form, so that the Enter key in a field presses it.
        this._button = this._dialog.find('.nbexec-run').attr({type: 'submit', form: this._id});
        this._load();
    };

    FormView.prototype._close = function () {
        this._dialog.modal('hide');
    };

    // -- drawing ---------------------------------------------------------------------------------------------------

    FormView.prototype._load = function () {
        var that = this;
        this._button.prop('disabled', true);
        this._client.parameters(this._options.path).then(function (parameters) {
            that._draw(parameters);
            that._button.prop('disabled', false);
            that._focusFirst();
        }).catch(function (error) {
            that._content.empty();
            that._fail(error, that._load.bind(that));
        });
    };

    FormView.prototype._draw = function (parameters) {
        this._fields = Object.create(null);  // for parameters may have any name
        this._message.empty();
        this._content.empty();
        if (this._options.note) {
            this._content.append($('<p>').addClass('alert alert-warning').text(this._options.note));
        }
        if (!parameters.length) {
            this._drawHint();
        }
        parameters.forEach(function (parameter) {
            this._content.append(this._drawParameter(parameter));
        }, this);
        this._drawMore();
    };

    /** A notebook without parameters runs as it is; say how to give it some. */
    FormView.prototype._drawHint = function () {
        var that = this;
        // A sentence in one piece for translators; what stands for %s is set as code.
        var sentence = i18n.msg._("This notebook has no parameters and runs as it is. To define some, assign values to "
                                  + "names in a code cell that starts with the comment %s.").split('%s');
        var hint = $('<div>').addClass('nbexec-hint').append(
            $('<p>').append(document.createTextNode(sentence[0]), $('<code>').text('# nbexec: params'),
                            document.createTextNode(sentence[1] || '')));
        if (this._options.insertTemplate) {
            hint.append(parts.button('btn-default btn-sm nbexec-template', i18n.msg._("Insert parameter cell"), function () {
                that._dialog.one('hidden.bs.modal', that._options.insertTemplate);
                that._close();
            }, 'fa-plus'));
        }
        this._content.append(hint);
    };

    FormView.prototype._drawParameter = function (parameter) {
        var isNumber = parameter.type === 'int' || parameter.type === 'float';
        var defaultText = parameter.default === null || parameter.secret ? null : String(parameter.default);
        var field = {
            name: parameter.name,
            label: parameter.name,
            type: typeOf(parameter),
            step: parameter.type === 'int' ? '1' : 'any',
            choices: parameter.choices ? choicesOf(parameter, defaultText) : null,
            defaultText: defaultText,
            // An empty number is no number, and a text without default is given if there is any.
            isGivenEmpty: parameter.type === 'str' && defaultText !== null,
            placeholder: defaultText === null ? i18n.msg._("set by the notebook") : isNumber ? defaultText : '',
            help: parameter.desc,
            note: noteOf(parameter, defaultText),
            examples: parameter.examples
        };
        return this._drawField(field);
    };

    /** The kind of control that a parameter gets. */
    var typeOf = function (parameter) {
        if (parameter.secret) {
            return 'password';
        }
        if (parameter.choices) {
            return 'select';
        }
        if (parameter.type === 'bool') {
            return 'checkbox';
        }
        var isNumber = parameter.type === 'int' || parameter.type === 'float';
        return isNumber && fitsNumber(parameter) ? 'number' : 'text';
    };

    /** What the list of a parameter offers: all that is accepted, and first to leave it to the notebook. */
    var choicesOf = function (parameter, defaultText) {
        var texts = parameter.choices.map(String);
        var first = texts.indexOf(defaultText) === -1 ? [{name: '', title: i18n.msg._("set by the notebook")}] : [];
        return first.concat(texts.map(function (text) { return {name: text, title: shortened(text)}; }));
    };

    /** Whether what a number field can hold is enough for the parameter; inf and 0x2a, for example, are not in it. */
    var fitsNumber = function (parameter) {
        var given = parameter.examples.slice();
        if (parameter.default !== null) {
            given.push(String(parameter.default));
        }
        return given.every(function (text) { return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text); });
    };

    var TYPES = {
        bool: i18n.msg._("yes or no"),
        int: i18n.msg._("whole number"),
        float: i18n.msg._("number"),
        str: i18n.msg._("text")
    };

    var noteOf = function (parameter, defaultText) {
        var type = TYPES[parameter.type] || parameter.type;
        if (parameter.secret) {
            return i18n.msg.sprintf(i18n.msg._("%s, secret: never shown or stored"), type);
        }
        return defaultText === null || defaultText === '' || parameter.type === 'bool'
            ? type : i18n.msg.sprintf(i18n.msg._("%1$s, default: %2$s"), type, shortened(defaultText));
    };

    /** A value in one short line. */
    var shortened = function (text) {
        var line = text.replace(/\n/g, ' ⏎ ');
        return line.length > 60 ? line.slice(0, 60) + '…' : line;
    };

    /** Draw a label, a control, what there is to say about it, and room for an error. */
    FormView.prototype._drawField = function (field) {
        var id = this._id + '_' + Object.keys(this._fields).length;
        var control = this._controlOf(field).attr({
            id: id, name: field.name, 'aria-describedby': id + '_help ' + id + '_error',
            autocomplete: field.type === 'password' ? 'new-password' : 'off',
            spellcheck: 'false'
        });
        var help = $('<div>').attr('id', id + '_help').addClass('help-block');
        if (field.help) {
            help.append($('<span>').text(field.help));
        }
        if (field.note) {
            help.append($('<small>').addClass('nbexec-note').text(field.note));
        }
        var error = $('<div>').attr({id: id + '_error', role: 'alert'}).addClass('help-block nbexec-error');
        var column = $('<div>').addClass('col-sm-9');
        var label = $('<label>').attr('for', id).text(field.label);
        var group = $('<div>').addClass('form-group').attr('data-name', field.name);
        if (field.type === 'checkbox') {
            column.addClass('col-sm-offset-3').append($('<div>').addClass('checkbox').append(
                label.empty().append(control, document.createTextNode(' '), $('<span>').text(field.label))));
            group.append(column);
        } else {
            group.append(label.addClass('col-sm-3 control-label'), column.append(control));
        }
        column.append(error, help, this._examplesOf(field, control));
        field.control = control;
        field.group = group;
        field.error = error;
        this._fields[field.name] = field;
        return group;
    };

    FormView.prototype._controlOf = function (field) {
        if (field.type === 'password') {  // its value is not kept anywhere
            return $('<input>').attr({type: 'password', placeholder: field.placeholder})
                .addClass('form-control input-sm');
        }
        var hasValue = Object.prototype.hasOwnProperty.call(this._values, field.name);
        var given = hasValue ? String(this._values[field.name]) : null;
        var text = given !== null ? given : field.defaultText !== null ? field.defaultText : '';
        if (field.type === 'checkbox') {
            return $('<input>').attr('type', 'checkbox').prop('checked', /^(true|1)$/i.test(text));
        }
        if (field.type === 'select') {
            return $('<select>').addClass('form-control input-sm').append(field.choices.map(function (choice) {
                return $('<option>').val(choice.name).text(choice.title);
            })).val(text);
        }
        if (field.type === 'text' && text.indexOf('\n') !== -1) {
            return $('<textarea>').attr('rows', Math.min(text.split('\n').length + 1, 12))
                .addClass('form-control input-sm').val(text);
        }
        var isNumber = field.type === 'number' && (text === '' || !isNaN(Number(text)));
        return $('<input>').attr({type: isNumber ? 'number' : 'text', step: isNumber ? field.step : null,
                                   min: isNumber && field.min ? field.min : null, placeholder: field.placeholder})
            .addClass('form-control input-sm').val(text);
    };

    /** Buttons that put an example into the field. */
    FormView.prototype._examplesOf = function (field, control) {
        if (!field.examples || !field.examples.length || field.type === 'checkbox') {
            return null;
        }
        var row = $('<div>').addClass('nbexec-examples').append(
            $('<span>').text(i18n.msg._("For example:")));
        field.examples.forEach(function (example) {
            row.append($('<button>').attr({
                type: 'button', 'aria-label': i18n.msg.sprintf(i18n.msg._("Set %1$s to %2$s"), field.label, example)
            }).addClass('btn btn-default btn-xs').text(example === '' ? i18n.msg._("(empty)") : shortened(example))
                .click(function () {
                    control.val(example).trigger('input').focus();
                }));
        });
        return row;
    };

    /** The fields that few need. */
    FormView.prototype._drawMore = function () {
        var that = this, id = this._id + '_more';
        var defaultKernel = {name: '', title: i18n.msg._("the notebook's own")};
        var more = this._more = $('<div>').attr('id', id).addClass('nbexec-more').hide();
        var button = this._moreButton = parts.button('btn-link btn-sm nbexec-more-button', i18n.msg._("More"), function () {
            that._showMore(!more.is(':visible'));
            more[0].scrollIntoView({block: 'nearest'});
        }, 'fa-caret-right').attr('aria-controls', id);
        more.append(
            this._drawField({
                name: 'output_path', label: i18n.msg._("Save result as"), type: 'text', defaultText: null,
                placeholder: this._options.path.replace(/\.ipynb$/, '') + '-Executed1.ipynb',
                help: i18n.msg._("A path relative to the server's top folder; the folder must exist. If empty, the result "
                                 + "is saved beside the notebook under the next free number.")
            }),
            this._drawField({
                name: 'overwrite', label: i18n.msg._("Replace the file if it exists"), type: 'checkbox',
                defaultText: 'false', help: i18n.msg._("Otherwise the result gets the next free number.")
            }),
            this._drawField({
                name: 'jupyter_kernel', label: i18n.msg._("Kernel"), type: 'select', defaultText: '',
                choices: [defaultKernel]
            }),
            this._drawField({
                name: 'cell_timeout', label: i18n.msg._("Cell timeout"), type: 'number', step: '1', min: '1',
                defaultText: null, placeholder: i18n.msg._("none"),
                help: i18n.msg._("Maximum seconds per cell; exceeding it ends the execution.")
            }));
        this._content.append($('<div>').append(button), more);
        this._showMore(['output_path', 'overwrite', 'jupyter_kernel', 'cell_timeout'].some(function (name) {
            return name in that._values;
        }));
        this._client.kernels().then(function (answer) {
            that._addKernels(that._fields.jupyter_kernel, answer.kernels);
        }).catch(function () {
            that._addKernels(that._fields.jupyter_kernel, []);  // the notebook's own will do
        });
    };

    FormView.prototype._addKernels = function (field, kernels) {
        var wanted = this._values.jupyter_kernel;
        if (wanted && !kernels.some(function (kernel) { return kernel.name === wanted; })) {
            kernels = kernels.concat([{name: wanted, title: wanted}]);
        }
        field.control.append(kernels.map(function (kernel) {
            return $('<option>').val(kernel.name).text(kernel.title);
        }));
        if (wanted) {
            field.control.val(wanted);
        }
    };

    FormView.prototype._showMore = function (isOpen) {
        this._more.toggle(isOpen);
        this._moreButton.attr('aria-expanded', String(isOpen))
            .find('.fa').toggleClass('fa-caret-right', !isOpen).toggleClass('fa-caret-down', isOpen);
    };

    /** Put the focus where there is something to do, once the dialog is there and filled. */
    FormView.prototype._focusFirst = function () {
        if (this._isShown && !this._button.prop('disabled')) {
            var refused = this._content.find('[aria-invalid]:visible').first();
            var first = refused.length ? refused : this._content.find('.form-group :input:visible').first();
            (first.length ? first : this._button).focus().filter('input').select();
        }
    };

    // -- sending -----------------------------------------------------------------------------------------------------

    /** What is sent: the notebook, and each value that is another than without the form. */
    FormView.prototype._read = function () {
        var sent = Object.create(null);
        sent.notebook = this._options.path;
        Object.keys(this._fields).forEach(function (name) {
            var text = textOf(this._fields[name]);
            if (text !== null) {
                sent[name] = text;
            }
        }, this);
        return sent;
    };

    /** The text of a field, or null if it is to be left to the notebook and the server. */
    var textOf = function (field) {
        var text = field.type === 'checkbox' ? String(field.control.prop('checked')) : field.control.val();
        var asDefault = field.type === 'checkbox' && field.defaultText !== null
            ? String(/^(true|1)$/i.test(field.defaultText)) : field.defaultText;
        if (text === asDefault || (text === '' && !field.isGivenEmpty)) {
            return null;
        }
        return text;
    };

    FormView.prototype._submit = function () {
        if (this._button.prop('disabled')) {
            return;
        }
        this._clearErrors();
        if (this._hasNoNumbers()) {
            return;
        }
        var that = this, fields = this._read(), content = JSON.stringify(fields);
        if (!this._request || this._request.content !== content) {
            // The same key for the same request, so that one whose answer was lost does not run twice.
            this._request = {content: content, key: utils.uuid()};
        }
        this._button.prop('disabled', true);
        this._client.start(fields, this._request.key, this._options.origin).then(function (model) {
            that._dialog.one('hidden.bs.modal', function () {
                if (that._options.onStarted) {
                    that._options.onStarted(model);
                }
            });
            that._close();
        }).catch(function (error) {
            that._button.prop('disabled', false);
            that._refuse(error);
        });
    };

    /** Tell what a browser does not pass on: text in a field for numbers. */
    FormView.prototype._hasNoNumbers = function () {
        var bad = Object.keys(this._fields).filter(function (name) {
            return (this._fields[name].control[0].validity || {}).badInput;
        }, this);
        bad.forEach(function (name) {
            this._showError(this._fields[name], i18n.msg._("Enter a number."));
        }, this);
        return bad.length > 0;
    };

    /** Show an error at the field that it is about, and above the form if it is about none. */
    FormView.prototype._refuse = function (error) {
        var that = this;
        if (!(error.field in this._fields)) {
            if (error.status === 409) {
                this._request = null;
            }
            return this._fail(error, function () {
                that._clearErrors();
                that._submit();
            });
        }
        this._showError(this._fields[error.field], error.message);
    };

    FormView.prototype._showError = function (field, message) {
        if ($.contains(this._more[0], field.control[0])) {
            this._showMore(true);
        }
        field.group.addClass('has-error');
        field.error.text(message);
        field.control.attr('aria-invalid', 'true').focus();
    };

    FormView.prototype._clearErrors = function () {
        this._message.empty();
        this._element.find('.has-error').removeClass('has-error');
        this._element.find('.nbexec-error').empty();
        this._element.find('[aria-invalid]').removeAttr('aria-invalid');
    };

    /** Say what went wrong, with what can be done about it. */
    FormView.prototype._fail = function (error, again) {
        var box = $('<div>').addClass('alert alert-danger').append($('<p>').text(error.message));
        var actions = $('<p>').addClass('nbexec-actions').appendTo(box);
        if (error.status === 401) {
            actions.append(parts.loginLink(this._client.baseUrl).addClass('btn btn-default btn-sm'), ' ');
        }
        if (error.status !== 400 && error.status !== 404) {
            actions.append(parts.button('btn-default btn-sm', i18n.msg._("Try again"), again));
        }
        this._message.empty().append(box);
    };

    return {FormView: FormView};
});
