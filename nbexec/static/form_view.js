/**
 * Draws the form that a notebook is run with: its parameters, and how to run it.
 *
 * Only what was changed is sent, so that the defaults stay in the notebook alone. A refused value is reported at its
 * field, in the words of the API; which field that is, the answer says by name.
 */
define([
    'jquery', 'base/js/i18n', 'base/js/utils', './form_fields', './command_view', './table_view', './modal', './texts',
    './parts'
], function ($, i18n, utils, formFields, commandView, tableView, modal, texts, parts) {
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
        this._fields = null;
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
        // Where somebody types while the dialog slides in; Bootstrap takes the focus at the end of that.
        this._focused = null;
        this._element.on('focusin', function (event) {
            that._focused = event.target;
        });
        this._dialog = modal.open({
            title: i18n.msg._("Run with parameters"),
            body: this._element,
            notebook: this._options.notebook,
            keyboard_manager: this._options.keyboard_manager,
            buttons: buttons,
            open: function () {
                that._isShown = true;
                if (document.contains(that._focused)) {
                    that._focused.focus();
                } else {
                    that._focusFirst();
                }
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
        this._client.parameters(this._options.path).then(function (answer) {
            that._draw(answer);
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
            this._values = this._fields.read();
        }
    };

    FormView.prototype._draw = function (answer) {
        this._drawn = JSON.stringify(answer);
        this._message.empty();
        this._content.empty().append(this._drawUnsaved());
        if (this._options.note) {
            this._content.append($('<p>').addClass('alert alert-warning').text(this._options.note));
        }
        if (!answer.parameters.length && !answer.reserved.length) {
            this._drawHint();
        }
        this._fields = new formFields.FormFields(this._content, Object.assign({
            id: this._id, client: this._client, path: this._options.path, values: this._values}, answer));
        this._content.append(this._drawCommands(), answer.parameters.length ? this._drawTableButton() : null);
    };

    FormView.prototype._drawTableButton = function () {
        return $('<div>').append(parts.button('btn-link btn-sm nbexec-expander nbexec-table-button', i18n.msg._(
            "Run a table of values…"), this._openTable.bind(this), 'fa-table'));
    };

    /** Go on with a table of values, for which the notebook is saved first. */
    FormView.prototype._openTable = function () {
        var that = this, options = this._options;
        Promise.resolve(this._isUnsaved() ? this._save() : true).then(function (isSaved) {
            if (isSaved) {
                var page = options.notebook && {notebook: options.notebook, keyboard_manager: options.keyboard_manager};
                that._dialog.one('hidden.bs.modal', function () {
                    tableView.TableView.open({client: that._client, path: options.path, values: that._fields.read(),
                                              origin: options.origin, page: page});
                });
                that._close();
            }
        });
    };

    /** What runs the notebook with the same values from a shell, on demand. */
    FormView.prototype._drawCommands = function () {
        var that = this, box = $('<div>').attr('id', this._id + '_commands').hide();
        var button = parts.expander(i18n.msg._("As a command"), box, 'nbexec-commands-button');
        var draw = function () {
            box.empty().append(box.is(':visible') ? commandView.boxOf(
                that._client.baseUrl, that._fields.read(), that._fields.secretNames()) : []);
        };
        this._element.off('.nbexec-commands').on('input.nbexec-commands', draw);
        button.click(draw);
        return $('<div>').append(button, box);
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

    /** Put the focus where there is something to do, once the dialog is there and filled. */
    FormView.prototype._focusFirst = function () {
        this._focused = null;
        if (this._isShown && !this._button.prop('disabled') && !this._fields.focusFirst()) {
            this._button.focus();
        }
    };

    // -- sending -----------------------------------------------------------------------------------------------------

    FormView.prototype._submit = function () {
        if (this._button.prop('disabled')) {
            return;
        }
        this._clearErrors();
        if (this._fields.markMissing()) {
            return this._focusFirst();
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
        return this._client.parameters(this._options.path).then(function (answer) {
            if (JSON.stringify(answer) === that._drawn) {
                return that._send();
            }
            that._draw(answer);
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
        var that = this, fields = this._fields.read(), content = JSON.stringify(fields);
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

    /** Show an error at the field that it is about, and above the form if it is about none. */
    FormView.prototype._refuse = function (error) {
        var that = this;
        if (!this._fields.has(error.field)) {
            if (error.status === 409) {
                this._request = null;
            }
            return this._fail(error, function () {
                that._clearErrors();
                that._submit();
            });
        }
        this._fields.markMistakes();  // the server tells of the first one only
        this._fields.showError(error.field, error.message);
        this._focusFirst();
    };

    FormView.prototype._clearErrors = function () {
        this._message.empty();
        if (this._fields) {
            this._fields.clearErrors();
        }
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
        if (!$.contains(this._element[0], document.activeElement)) {
            box.find('a, button').last().focus();
        }
    };

    return {FormView: FormView};
});
