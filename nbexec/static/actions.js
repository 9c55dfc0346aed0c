/**
 * What a user can do with an execution, with the questions that are asked before and the trouble that is told after.
 */
define(['jquery', 'base/js/namespace', 'base/js/utils', 'base/js/i18n', './modal', './words', './form_view'
], function ($, Jupyter, utils, i18n, modal, words, form_view) {
    "use strict";

    /**
     * @constructor
     * @param {Client} client
     * @param {Object} options
     * @param {function(Object)} options.on_started - called with the model of an execution that was started here
     * @param {function(Object)} options.on_details - called with the model whose details are asked for
     */
    var Actions = function (client, options) {
        this._client = client;
        this._options = options;
    };

    /** The URL of a notebook. */
    Actions.prototype.url_of = function (path) {
        return utils.url_path_join(this._client.base_url, document.nbclassicPath || '', 'notebooks',
                                   utils.encode_uri_components(path));
    };

    Actions.prototype.open = function (path) {
        window.open(this.url_of(path), Jupyter._target);
    };

    Actions.prototype.stop = function (model, button) {
        var that = this;
        ask({
            title: i18n.msg._("Stop this execution?"),
            text: [i18n.msg.sprintf(i18n.msg._("\"%s\" ends where it is. What it has printed so far is kept in the result."),
                                    words.name_of(model.path))],
            verb: i18n.msg._("Stop"),
            style: 'btn-warning',
            button: button,
            act: function () {
                that._client.shutdown(model.exec_id).catch(that._tell(i18n.msg._("It could not be stopped"), button));
            }
        });
    };

    Actions.prototype.remove = function (model, button) {
        var that = this;
        var what = words.is_final(model)
            ? i18n.msg._("\"%s\" goes from this list. The notebook and its result stay where they are.")
            : i18n.msg._("\"%s\" is still running: it is stopped, and goes from this list. What it has printed so far is kept " +
                         "in the result.");
        ask({
            title: i18n.msg._("Delete this execution?"),
            text: [i18n.msg.sprintf(what, words.name_of(model.path))],
            verb: i18n.msg._("Delete"),
            style: 'btn-danger',
            button: button,
            act: function () {
                that._client.remove(model.exec_id).catch(that._tell(i18n.msg._("It could not be deleted"), button));
            }
        });
    };

    /** Delete those that have ended among the models, after a question. */
    Actions.prototype.remove_finished = function (models, filtered, button) {
        var that = this, ids = models.filter(words.is_final).map(function (model) { return model.exec_id; });
        var count = i18n.msg.sprintf(i18n.msg.ngettext("%d finished execution goes from this list.",
                                                       "%d finished executions go from this list.", ids.length), ids.length);
        ask({
            title: i18n.msg._("Delete finished executions?"),
            text: [count,
                   filtered ? i18n.msg._("Only those that the filter shows now; the others stay.") : '',
                   i18n.msg._("Notebooks and results stay where they are, and what is running goes on.")],
            verb: i18n.msg._("Delete"),
            style: 'btn-danger',
            button: button,
            act: function () {
                that._client.removeMany(ids).catch(that._tell(i18n.msg._("Not all could be deleted"), button));
            }
        });
    };

    /** Run the notebook of the model once more, in the same way; what is not known any more is asked for. */
    Actions.prototype.again = function (model, button) {
        if (words.has_secrets(model)) {
            this.change(model, button);
            return;
        }
        this._client.start($.extend({notebook: model.path}, this.values_of(model)), null, model.exec_id).then(
            this._options.on_started, this._tell(i18n.msg._("It could not be started"), button));
    };

    /** Show the form, filled in as for the model. */
    Actions.prototype.change = function (model, button) {
        this._form(model.path, this.values_of(model), button, model.exec_id);
    };

    /** Show the form for a notebook. */
    Actions.prototype.run = function (path, button) {
        this._form(path, {}, button);
    };

    Actions.prototype._form = function (path, values, button, origin) {
        $(button).focus();  // the form returns the focus to where it was; an entry of a menu is hidden then
        form_view.FormView.open({client: this._client, path: path, values: values, origin: origin,
                                 on_started: this._options.on_started});
    };

    /** What was asked for when the execution was started, as far as it can be told from the model. */
    Actions.prototype.values_of = function (model) {
        var values = $.extend({}, model.params);
        if (model.jupyter_kernel) {
            values.jupyter_kernel = model.jupyter_kernel;
        }
        if (model.cell_timeout) {
            values.cell_timeout = String(model.cell_timeout);
        }
        if (model.output_path && (model.overwrite || !is_default(model))) {
            values.output_path = model.output_path;
            values.overwrite = String(model.overwrite);
        }
        return values;
    };

    /** Whether the result has the name that it is given if none is asked for. */
    var is_default = function (model) {
        var stem = model.path.replace(/\.ipynb$/, '');
        return model.output_path.indexOf(stem + '-Executed') === 0 &&
            /^\d+\.ipynb$/.test(model.output_path.slice((stem + '-Executed').length));
    };

    Actions.prototype.show_error = function (model, button) {
        var that = this;
        var shown = show({
            title: i18n.msg.sprintf(i18n.msg._("Why \"%s\" failed"), words.name_of(model.path)),
            body: $('<div>').append(
                $('<p>').text(words.cell_of(model) ? i18n.msg.sprintf(i18n.msg._("It ended in %s:"), words.cell_of(model)) : ''),
                $('<pre>').addClass('nbexec-error-text').attr('tabindex', '0').text(words.error_of(model))),
            buttons: [
                {label: i18n.msg._("Details"), click: function () { that._options.on_details(model); }},
                {label: i18n.msg._("Close"), style: 'btn-primary'}
            ],
            button: button
        });
        shown.find('.modal-dialog').addClass('modal-lg');
    };

    /** Return what shows an error of the client in a dialog. */
    Actions.prototype._tell = function (title, button) {
        return function (error) {
            show({
                title: title,
                body: $('<div>').addClass('alert alert-danger').text(error.message),
                buttons: [{label: i18n.msg._("OK"), style: 'btn-primary'}],
                button: button
            });
        };
    };

    var ask = function (options) {
        show({
            title: options.title,
            body: $('<div>').append(options.text.filter(Boolean).map(function (text) { return $('<p>').text(text); })),
            buttons: [{label: i18n.msg._("Cancel")},
                      {label: options.verb, style: options.style, click: options.act}],
            button: options.button
        });
    };

    /** Open a dialog; the focus returns to the button that it was asked for with, also where that stands in a menu. */
    var show = function (options) {
        var buttons = {};
        options.buttons.forEach(function (button) {
            buttons[button.label] = {'class': button.style || '', click: button.click};
        });
        $(options.button).focus();
        return modal.open({title: options.title, body: options.body, buttons: buttons});
    };

    return {Actions: Actions};
});
