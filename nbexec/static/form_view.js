/**
 * Draws the form that a notebook is run with: its parameters, and how to run it.
 *
 * Only what was changed is sent, so that the defaults stay in the notebook alone. A refused value is reported at its
 * field, in the words of the API; which field that is, the answer says by name.
 */
define([
    'jquery', 'base/js/i18n', 'base/js/utils', './form_field', './modal', './texts', './parts'
], function ($, i18n, utils, formField, modal, texts, parts) {
    "use strict";

    var MANY = 12;  // parameters, from which on there is a search
    var numberOfForms = 0;  // for ids that occur once in a page

    /**
     * @constructor
     * @param {Object} options
     * @param {Client} options.client
     * @param {string} options.path - of the notebook
     * @param {Object} [options.values] - what the fields have at first, texts by name: parameters and arguments
     * @param {string} [options.origin] - id of the execution that these are from
     * @param {string} [options.note] - a sentence that stands above the fields
     * @param {function()} [options.isUnsaved] - whether the page has changes that the file has not
     * @param {function()} [options.save] - saves them; returns a promise of whether it did
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
            that._content.empty().append(that._drawUnsaved());
            that._fail(error, that._load.bind(that));
        });
    };

    FormView.prototype._isUnsaved = function () {
        return Boolean(this._options.isUnsaved && this._options.isUnsaved());
    };

    /** A note on changes that are not saved, with what brings the form up to date with them. */
    FormView.prototype._drawUnsaved = function () {
        var that = this;
        if (!this._isUnsaved()) {
            return null;
        }
        return $('<div>').addClass('alert alert-info nbexec-unsaved').append(
            $('<span>').text(i18n.msg._("The notebook has unsaved changes, which this form does not show. They are saved "
                                        + "when you run it.")), ' ',
            parts.button('btn-default btn-xs', i18n.msg._("Save now"), function () {
                that._keepValues();
                that._save().then(function (isSaved) {
                    if (isSaved) {
                        that._load();
                    }
                });
            }));
    };

    /** Save the notebook; resolves to whether it was. */
    FormView.prototype._save = function () {
        var that = this;
        this._clearErrors();
        return this._options.save().catch(function (error) {
            that._fail(error, that._submit.bind(that));
            return false;
        }).then(function (isSaved) {
            // A dialog of notebook may have given the keys and the scroll bar of the page back.
            that._options.keyboard_manager.disable();
            $('body').addClass('modal-open');
            return isSaved;
        });
    };

    /** Fill in again what was typed when the form is drawn next. */
    FormView.prototype._keepValues = function () {
        if (this._fields) {
            this._values = this._read();
        }
    };

    FormView.prototype._draw = function (parameters) {
        this._drawn = JSON.stringify(parameters);
        this._fields = Object.create(null);  // for parameters may have any name
        this._message.empty();
        this._content.empty().append(this._drawUnsaved());
        if (this._options.note) {
            this._content.append($('<p>').addClass('alert alert-warning').text(this._options.note));
        }
        if (!parameters.length) {
            this._drawHint();
        }
        var drawn = parameters.map(this._drawParameter, this);
        if (drawn.length > MANY) {
            this._content.append(this._drawSearch(parameters));
        }
        this._content.append(drawn);
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
        return this._drawField(formField.ofParameter(parameter, this._givenOf(parameter.name)));
    };

    FormView.prototype._givenOf = function (name) {
        return Object.prototype.hasOwnProperty.call(this._values, name) ? String(this._values[name]) : undefined;
    };

    FormView.prototype._drawField = function (options) {
        var id = this._id + '_' + Object.keys(this._fields).length;
        var field = new formField.FormField(id, $.extend({given: this._givenOf(options.name)}, options));
        this._fields[field.name] = field;
        return field.element;
    };

    /** A search, where there are more parameters than one sees at once. */
    FormView.prototype._drawSearch = function (parameters) {
        var fields = parameters.map(function (parameter) { return this._fields[parameter.name]; }, this);
        return $('<input>').attr({type: 'search', placeholder: i18n.msg._("Find a parameter"),
                                  'aria-label': i18n.msg._("Find a parameter")})
            .addClass('form-control input-sm nbexec-search').on('input', function () {
                var word = this.value;
                fields.forEach(function (field) { field.element.toggle(field.matches(word)); });
            }).on('keydown', function (event) {
                return event.key !== 'Enter';  // which would run the notebook
            });
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
                name: 'output_path', label: i18n.msg._("Save result as"), kind: 'text', defaultText: null,
                placeholder: this._options.path.replace(/\.ipynb$/, '') + '-Executed' + i18n.msg._("<number>") + '.ipynb',
                help: i18n.msg._("A path relative to the server's top folder; the folder must exist. If empty, the result "
                                 + "is saved beside the notebook under the next free number.")
            }),
            this._drawField({
                name: 'overwrite', label: i18n.msg._("Replace the file if it exists"), kind: 'checkbox',
                defaultText: 'false', help: i18n.msg._("Otherwise the result gets the next free number.")
            }),
            this._drawField({
                name: 'jupyter_kernel', label: i18n.msg._("Kernel"), kind: 'select', defaultText: '',
                choices: [defaultKernel]
            }),
            this._drawField({
                name: 'cell_timeout', label: i18n.msg._("Cell timeout"), kind: 'number', type: 'int', min: '1',
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
        field.addChoices(kernels);
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
        this._allFields().forEach(function (field) {
            var text = field.text();
            if (text !== null) {
                sent[field.name] = text;
            }
        });
        return sent;
    };

    FormView.prototype._allFields = function () {
        return Object.keys(this._fields || {}).map(function (name) { return this._fields[name]; }, this);
    };

    FormView.prototype._submit = function () {
        if (this._button.prop('disabled')) {
            return;
        }
        this._clearErrors();
        if (this._hasUnreadable()) {
            return;
        }
        this._button.prop('disabled', true);
        if (!this._isUnsaved()) {
            return this._send();
        }
        var that = this;
        this._keepValues();
        this._save().then(function (isSaved) {
            return isSaved ? that._sendIfSame() : that._button.prop('disabled', false);
        });
    };

    /** Run the notebook, unless saving it has changed its parameters: then they are shown. */
    FormView.prototype._sendIfSame = function () {
        var that = this;
        return this._client.parameters(this._options.path).then(function (parameters) {
            if (JSON.stringify(parameters) === that._drawn) {
                return that._send();
            }
            that._draw(parameters);
            that._message.append($('<div>').addClass('alert alert-info').text(
                i18n.msg._("The parameters have changed. Check the values and run the notebook again.")));
            that._button.prop('disabled', false);
            that._focusFirst();
        }).catch(function (error) {
            that._button.prop('disabled', false);
            that._fail(error, that._submit.bind(that));
        });
    };

    FormView.prototype._send = function () {
        var that = this, fields = this._read(), content = JSON.stringify(fields);
        if (!this._request || this._request.content !== content) {
            // The same key for the same request, so that one whose answer was lost does not run twice.
            this._request = {content: content, key: utils.uuid()};
        }
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

    /** Tell of every field whose text is not to be had. */
    FormView.prototype._hasUnreadable = function () {
        var isUnreadable = this._allFields().some(function (field) { return field.isUnreadable(); });
        if (isUnreadable) {
            this._showMistakes();
            this._focusFirst();
        }
        return isUnreadable;
    };

    FormView.prototype._showMistakes = function () {
        this._allFields().forEach(function (field) {
            if (field.mistake()) {
                this._showError(field, field.mistake());
            }
        }, this);
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
        this._showMistakes();  // the server tells of the first one only
        this._showError(this._fields[error.field], error.message);
        this._focusFirst();
    };

    FormView.prototype._showError = function (field, message) {
        if ($.contains(this._more[0], field.control[0])) {
            this._showMore(true);
        }
        field.showError(message);
    };

    FormView.prototype._clearErrors = function () {
        this._message.empty();
        this._allFields().forEach(function (field) { field.clearError(); });
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
