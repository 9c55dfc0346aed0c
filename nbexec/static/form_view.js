/**
 * Draws the form that a notebook is run with: its parameters, and how to run it.
 *
 * Only what was changed is sent, so that the defaults stay in the notebook alone. A refused value is told at its
 * field, in the words of the API.
 */
define(['jquery', 'base/js/i18n', 'base/js/utils', './modal', './words'], function ($, i18n, utils, modal, words) {
    "use strict";

    var number_of_forms = 0;  // for ids that occur once in a page

    /**
     * @constructor
     * @param {Object} options
     * @param {Client} options.client
     * @param {string} options.path - of the notebook
     * @param {Object} [options.values] - what the fields have at first, texts by name: parameters and arguments
     * @param {string} [options.origin] - id of the execution that these are from
     * @param {string} [options.note] - a sentence that stands above the fields
     * @param {function(Object)} [options.on_started] - called with the model of the execution
     * @param {function()} [options.insert_template] - puts a parameter cell into the notebook, if it is at hand
     * @param {Object} [options.notebook] - of the page, which has the focus again afterwards
     * @param {Object} [options.keyboard_manager] - of the page, which sleeps meanwhile
     */
    var FormView = function (options) {
        this.options = options;
        this.client = options.client;
        this.values = options.values || {};
        this.id = 'nbexec_form_' + (number_of_forms += 1);
        this.fields = null;  // by name
        this.request = null;  // what was sent last, with its key
        this.is_shown = false;
    };

    /** Show the form in a dialog; the arguments are those of the constructor. */
    FormView.open = function (options) {
        var form = new FormView(options);
        form.open();
        return form;
    };

    /** What a form needs to run again what a model describes. */
    FormView.values_of = function (model) {
        var values = $.extend({}, model.params);
        if (model.jupyter_kernel) {
            values.jupyter_kernel = model.jupyter_kernel;
        }
        if (model.cell_timeout) {
            values.cell_timeout = String(model.cell_timeout);
        }
        if (model.overwrite) {  // else the file has another name each time anyway
            values.output_path = model.output_path;
            values.overwrite = 'true';
        }
        return values;
    };

    FormView.prototype.open = function () {
        var that = this;
        this.element = $('<form/>').attr({id: this.id, novalidate: ''}).addClass('nbexec-form form-horizontal');
        this.message = $('<div/>').attr('role', 'alert').appendTo(this.element);
        this.content = $('<div/>').append($('<p/>').attr('role', 'status').text(i18n.msg._("Reading the parameters…")))
            .appendTo(this.element);
        this.element.on('submit', function () {
            that.submit();
            return false;
        });
        this.dialog = modal.open({
            title: i18n.msg._("Run with parameters"),
            body: this.element,
            notebook: this.options.notebook,
            keyboard_manager: this.options.keyboard_manager,
            default_button: "Cancel",
            buttons: {
                "Cancel": {},
                "Run": {class: 'btn-primary nbexec-run', click: function () {
                    that.submit();
                    return false;  // or the dialog would close
                }}
            },
            open: function () {
                that.is_shown = true;
                that.focus_first();
            }
        });
        this.dialog.find('.modal-title').append(
            $('<small/>').addClass('nbexec-path').attr('title', this.options.path)
                .text(' ' + words.name_of(this.options.path)));
        // Of the form, so that the Enter key in a field presses it.
        this.button = this.dialog.find('.nbexec-run').attr({type: 'submit', form: this.id});
        this.load();
    };

    FormView.prototype.close = function () {
        this.dialog.modal('hide');
    };

    // -- drawing ---------------------------------------------------------------------------------------------------

    FormView.prototype.load = function () {
        var that = this;
        this.button.prop('disabled', true);
        this.client.parameters(this.options.path).then(function (parameters) {
            that.draw(parameters);
            that.button.prop('disabled', false);
            that.focus_first();
        }).catch(function (error) {
            that.content.empty();
            that.fail(error, that.load.bind(that));
        });
    };

    FormView.prototype.draw = function (parameters) {
        this.fields = Object.create(null);  // for parameters may have any name
        this.message.empty();
        this.content.empty();
        if (this.options.note) {
            this.content.append($('<p/>').addClass('alert alert-warning').text(this.options.note));
        }
        if (!parameters.length) {
            this.draw_hint();
        }
        parameters.forEach(function (parameter) {
            this.content.append(this.draw_parameter(parameter));
        }, this);
        this.draw_more();
    };

    /** A notebook without parameters runs as it is; say how to give it some. */
    FormView.prototype.draw_hint = function () {
        var that = this;
        // A sentence in one piece for translators; what stands for %s is set as code.
        var parts = i18n.msg._("This notebook has no parameters and runs as it is: to define some, assign values to "
                               + "names in a code cell that starts with the comment %s.").split('%s');
        var hint = $('<div/>').addClass('nbexec-hint').append(
            $('<p/>').append(document.createTextNode(parts[0]), $('<code/>').text('# nbexec: params'),
                             document.createTextNode(parts[1] || '')));
        if (this.options.insert_template) {
            hint.append($('<button/>').attr('type', 'button').addClass('btn btn-default btn-sm nbexec-template').append(
                $('<i/>').addClass('fa fa-plus').attr('aria-hidden', 'true'),
                document.createTextNode(' ' + i18n.msg._("Insert a parameter cell"))
            ).click(function () {
                that.dialog.one('hidden.bs.modal', that.options.insert_template);
                that.close();
            }));
        }
        this.content.append(hint);
    };

    FormView.prototype.draw_parameter = function (parameter) {
        var is_number = parameter.type === 'int' || parameter.type === 'float';
        var default_text = parameter['default'] === null || parameter.secret ? null : String(parameter['default']);
        var field = {
            name: parameter.name,
            label: parameter.name,
            type: parameter.secret ? 'password' : parameter.choices ? 'select' : parameter.type === 'bool' ? 'checkbox' : is_number && fits_number(parameter) ? 'number' : 'text',
            step: parameter.type === 'int' ? '1' : 'any',
            choices: parameter.choices ? choices_of(parameter, default_text) : null,
            default_text: default_text,
            // An empty number is no number, and a text without default is given if there is any.
            is_given_empty: parameter.type === 'str' && default_text !== null,
            placeholder: default_text === null ? i18n.msg._("set by the notebook") : is_number ? default_text : '',
            help: parameter.desc,
            note: note_of(parameter, default_text),
            examples: parameter.examples
        };
        return this.draw_field(field);
    };

    /** What the list of a parameter offers: all that is accepted, and first to leave it to the notebook. */
    var choices_of = function (parameter, default_text) {
        var texts = parameter.choices.map(String);
        var first = texts.indexOf(default_text) === -1 ? [{name: '', title: i18n.msg._("set by the notebook")}] : [];
        return first.concat(texts.map(function (text) { return {name: text, title: shortened(text)}; }));
    };

    /** Whether what a number field can hold is enough for the parameter; inf and 0x2a, for example, are not in it. */
    var fits_number = function (parameter) {
        var given = parameter.examples.slice();
        if (parameter['default'] !== null) {
            given.push(String(parameter['default']));
        }
        return given.every(function (text) { return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text); });
    };

    var TYPES = {
        bool: i18n.msg._("yes or no"),
        int: i18n.msg._("whole number"),
        float: i18n.msg._("number"),
        str: i18n.msg._("text")
    };

    var note_of = function (parameter, default_text) {
        var type = TYPES[parameter.type] || parameter.type;
        if (parameter.secret) {
            return i18n.msg.sprintf(i18n.msg._("%s, secret: it is shown and kept nowhere"), type);
        }
        return default_text === null || default_text === '' || parameter.type === 'bool'
            ? type : i18n.msg.sprintf(i18n.msg._("%1$s, default: %2$s"), type, shortened(default_text));
    };

    /** A value in one short line. */
    var shortened = function (text) {
        var line = text.replace(/\n/g, ' ⏎ ');
        return line.length > 60 ? line.slice(0, 60) + '…' : line;
    };

    /** Draw a label, a control, what there is to say about it, and room for an error. */
    FormView.prototype.draw_field = function (field) {
        var id = this.id + '_' + Object.keys(this.fields).length;
        var control = this.control_of(field).attr({
            id: id, name: field.name, 'aria-describedby': id + '_help ' + id + '_error',
            autocomplete: field.type === 'password' ? 'new-password' : 'off',
            spellcheck: 'false'
        });
        var help = $('<div/>').attr('id', id + '_help').addClass('help-block');
        if (field.help) {
            help.append($('<span/>').text(field.help));
        }
        if (field.note) {
            help.append($('<small/>').addClass('nbexec-note').text(field.note));
        }
        var error = $('<div/>').attr({id: id + '_error', role: 'alert'}).addClass('help-block nbexec-error');
        var column = $('<div/>').addClass('col-sm-9');
        var label = $('<label/>').attr('for', id).text(field.label);
        var group = $('<div/>').addClass('form-group').attr('data-name', field.name);
        if (field.type === 'checkbox') {
            column.addClass('col-sm-offset-3').append($('<div/>').addClass('checkbox').append(
                label.empty().append(control, document.createTextNode(' '), $('<span/>').text(field.label))));
            group.append(column);
        } else {
            group.append(label.addClass('col-sm-3 control-label'), column.append(control));
        }
        column.append(error, help, this.examples_of(field, control));
        field.control = control;
        field.group = group;
        field.error = error;
        this.fields[field.name] = field;
        return group;
    };

    FormView.prototype.control_of = function (field) {
        if (field.type === 'password') {  // its value is not kept anywhere
            return $('<input/>').attr({type: 'password', placeholder: field.placeholder})
                .addClass('form-control input-sm');
        }
        var has_value = Object.prototype.hasOwnProperty.call(this.values, field.name);
        var given = has_value ? String(this.values[field.name]) : null;
        var text = given !== null ? given : field.default_text !== null ? field.default_text : '';
        if (field.type === 'checkbox') {
            return $('<input/>').attr('type', 'checkbox').prop('checked', /^(true|1)$/i.test(text));
        }
        if (field.type === 'select') {
            return $('<select/>').addClass('form-control input-sm').append(field.choices.map(function (choice) {
                return $('<option/>').val(choice.name).text(choice.title);
            })).val(text);
        }
        if (field.type === 'text' && text.indexOf('\n') !== -1) {
            return $('<textarea/>').attr('rows', Math.min(text.split('\n').length + 1, 12))
                .addClass('form-control input-sm').val(text);
        }
        var is_number = field.type === 'number' && (text === '' || !isNaN(Number(text)));
        return $('<input/>').attr({type: is_number ? 'number' : 'text', step: is_number ? field.step : null,
                                   min: is_number && field.min ? field.min : null, placeholder: field.placeholder})
            .addClass('form-control input-sm').val(text);
    };

    /** Buttons that put an example into the field. */
    FormView.prototype.examples_of = function (field, control) {
        if (!field.examples || !field.examples.length || field.type === 'checkbox') {
            return null;
        }
        var row = $('<div/>').addClass('nbexec-examples').append(
            $('<span/>').text(i18n.msg._("For example:")));
        field.examples.forEach(function (example) {
            row.append($('<button/>').attr({
                type: 'button', 'aria-label': i18n.msg.sprintf(i18n.msg._("Set %1$s to %2$s"), field.label, example)
            }).addClass('btn btn-default btn-xs').text(example === '' ? i18n.msg._("(empty)") : shortened(example))
                .click(function () {
                    control.val(example).trigger('input').focus();
                }));
        });
        return row;
    };

    /** The fields that few need. */
    FormView.prototype.draw_more = function () {
        var that = this, id = this.id + '_more';
        var default_kernel = {name: '', title: i18n.msg._("that of the notebook")};
        var more = this.more = $('<div/>').attr('id', id).addClass('nbexec-more').hide();
        var button = this.more_button = $('<button/>').attr({type: 'button', 'aria-controls': id})
            .addClass('btn btn-link btn-sm nbexec-more-button').append(
                $('<i/>').addClass('fa fa-caret-right fa-fw').attr('aria-hidden', 'true'),
                document.createTextNode(i18n.msg._("More"))
            ).click(function () {
                that.show_more(!more.is(':visible'));
                more[0].scrollIntoView({block: 'nearest'});
            });
        more.append(
            this.draw_field({
                name: 'output_path', label: i18n.msg._("Save result as"), type: 'text', default_text: null,
                placeholder: this.options.path.replace(/\.ipynb$/, '') + '-Executed1.ipynb',
                help: i18n.msg._("A path from the top folder of the server, in a folder that exists. If it is empty, "
                                 + "the result stands beside the notebook, with a number that is still free.")
            }),
            this.draw_field({
                name: 'overwrite', label: i18n.msg._("Replace that file if it exists"), type: 'checkbox',
                default_text: 'false', help: i18n.msg._("Otherwise the result gets a number that is still free.")
            }),
            this.draw_field({
                name: 'jupyter_kernel', label: i18n.msg._("Kernel"), type: 'select', default_text: '',
                choices: [default_kernel]
            }),
            this.draw_field({
                name: 'cell_timeout', label: i18n.msg._("Cell timeout"), type: 'number', step: '1', min: '1',
                default_text: null, placeholder: i18n.msg._("none"),
                help: i18n.msg._("Seconds after which a cell that still runs ends the run.")
            }));
        this.content.append($('<div/>').append(button), more);
        this.show_more(['output_path', 'overwrite', 'jupyter_kernel', 'cell_timeout'].some(function (name) {
            return name in that.values;
        }));
        this.client.kernels().then(function (answer) {
            that.add_kernels(that.fields.jupyter_kernel, answer.kernels);
        }).catch(function () {
            that.add_kernels(that.fields.jupyter_kernel, []);  // the notebook's own will do
        });
    };

    FormView.prototype.add_kernels = function (field, kernels) {
        var wanted = this.values.jupyter_kernel;
        if (wanted && !kernels.some(function (kernel) { return kernel.name === wanted; })) {
            kernels = kernels.concat([{name: wanted, title: wanted}]);
        }
        field.control.append(kernels.map(function (kernel) {
            return $('<option/>').val(kernel.name).text(kernel.title);
        }));
        if (wanted) {
            field.control.val(wanted);
        }
    };

    FormView.prototype.show_more = function (is_open) {
        this.more.toggle(is_open);
        this.more_button.attr('aria-expanded', String(is_open))
            .find('.fa').toggleClass('fa-caret-right', !is_open).toggleClass('fa-caret-down', is_open);
    };

    /** Put the focus where there is something to do, once the dialog is there and filled. */
    FormView.prototype.focus_first = function () {
        if (this.is_shown && !this.button.prop('disabled')) {
            var refused = this.content.find('[aria-invalid]:visible').first();
            var first = refused.length ? refused : this.content.find('.form-group :input:visible').first();
            (first.length ? first : this.button).focus().filter('input').select();
        }
    };

    // -- sending -----------------------------------------------------------------------------------------------------

    /** What is sent: the notebook, and each value that is another than without the form. */
    FormView.prototype.read = function () {
        var sent = Object.create(null);
        sent.notebook = this.options.path;
        Object.keys(this.fields).forEach(function (name) {
            var text = text_of(this.fields[name]);
            if (text !== null) {
                sent[name] = text;
            }
        }, this);
        return sent;
    };

    /** The text of a field, or null if it is to be left to the notebook and the server. */
    var text_of = function (field) {
        var text = field.type === 'checkbox' ? String(field.control.prop('checked')) : field.control.val();
        var as_default = field.type === 'checkbox' && field.default_text !== null
            ? String(/^(true|1)$/i.test(field.default_text)) : field.default_text;
        if (text === as_default || (text === '' && !field.is_given_empty)) {
            return null;
        }
        return text;
    };

    FormView.prototype.submit = function () {
        if (this.button.prop('disabled')) {
            return;
        }
        this.clear_errors();
        if (this.has_no_numbers()) {
            return;
        }
        var that = this, fields = this.read(), content = JSON.stringify(fields);
        if (!this.request || this.request.content !== content) {
            // The same key for the same request, so that one whose answer was lost does not run twice.
            this.request = {content: content, key: utils.uuid()};
        }
        this.button.prop('disabled', true);
        this.client.start(fields, this.request.key, this.options.origin).then(function (model) {
            that.dialog.one('hidden.bs.modal', function () {
                if (that.options.on_started) {
                    that.options.on_started(model);
                }
            });
            that.close();
        }).catch(function (error) {
            that.button.prop('disabled', false);
            that.refuse(error);
        });
    };

    /** Tell what a browser does not pass on: text in a field for numbers. */
    FormView.prototype.has_no_numbers = function () {
        var bad = Object.keys(this.fields).filter(function (name) {
            return (this.fields[name].control[0].validity || {}).badInput;
        }, this);
        bad.forEach(function (name) {
            this.show_error(this.fields[name], i18n.msg._("This is no number."));
        }, this);
        return bad.length > 0;
    };

    /** Show an error at the field that it is about, and above the form if it is about none. */
    FormView.prototype.refuse = function (error) {
        var that = this;
        if (!Object.prototype.hasOwnProperty.call(this.fields, error.field)) {
            if (error.status === 409) {
                this.request = null;
            }
            return this.fail(error, function () {
                that.clear_errors();
                that.submit();
            });
        }
        this.show_error(this.fields[error.field], error.message);
    };

    FormView.prototype.show_error = function (field, message) {
        if ($.contains(this.more[0], field.control[0])) {
            this.show_more(true);
        }
        field.group.addClass('has-error');
        field.error.text(message);
        field.control.attr('aria-invalid', 'true').focus();
    };

    FormView.prototype.clear_errors = function () {
        this.message.empty();
        this.element.find('.has-error').removeClass('has-error');
        this.element.find('.nbexec-error').empty();
        this.element.find('[aria-invalid]').removeAttr('aria-invalid');
    };

    /** Say what went wrong, with what can be done about it. */
    FormView.prototype.fail = function (error, again) {
        var box = $('<div/>').addClass('alert alert-danger').append($('<p/>').text(error.message));
        var actions = $('<p/>').addClass('nbexec-actions').appendTo(box);
        if (error.status === 401) {
            actions.append($('<a/>').addClass('btn btn-default btn-sm').attr({
                href: utils.url_path_join(this.client.base_url, 'login'), target: '_blank', rel: 'noopener'
            }).text(i18n.msg._("Log in")), ' ');
        }
        if (error.status !== 400 && error.status !== 404) {
            actions.append($('<button/>').attr('type', 'button').addClass('btn btn-default btn-sm')
                .text(i18n.msg._("Try again")).click(again));
        }
        this.message.empty().append(box);
    };

    return {FormView: FormView};
});
