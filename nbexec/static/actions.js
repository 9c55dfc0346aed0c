/**
 * What a user can do with an execution, with the questions that are asked before and the trouble that is told after.
 */
define([
    'jquery', 'base/js/namespace', 'base/js/utils', 'base/js/i18n', './modal', './texts', './execution_model', './form_view'
], function ($, Jupyter, utils, i18n, modal, texts, executionModel, formView) {
    "use strict";

    /**
     * @constructor
     * @param {Client} client
     * @param {Object} options
     * @param {function(Object)} options.onStarted - called with the model of an execution that was started here
     * @param {function(Object)} options.onDetails - called with the model whose details are asked for
     */
    var Actions = function (client, options) {
        this._client = client;
        this._options = options;
    };

    /** The URL of a notebook. */
    Actions.prototype.urlOf = function (path) {
        return utils.url_path_join(this._client.baseUrl, document.nbclassicPath || '', 'notebooks',
                                   utils.encode_uri_components(path));
    };

    /** Open a result, or say that it is gone. */
    Actions.prototype.open = function (path, button) {
        var url = this.urlOf(path);
        this._client.exists(path).then(function (isThere) {
            if (isThere) {
                window.open(url, Jupyter._target);
            } else {
                modal.tellResultGone(path, {button: button});
            }
        });
    };

    /** A link that opens a result. */
    Actions.prototype.resultLink = function (path, label) {
        var that = this;
        return $('<a>').attr({href: this.urlOf(path), target: Jupyter._target}).text(label).click(function (event) {
            event.preventDefault();
            that.open(path, this);
        });
    };

    Actions.prototype.stop = function (model, button) {
        var that = this;
        modal.askToStop(model, {button: button, act: function () {
            that._client.shutdown(model.exec_id).catch(tell(i18n.msg._("The execution could not be stopped"), button));
        }});
    };

    Actions.prototype.remove = function (model, button) {
        var that = this;
        var sentence = executionModel.isFinal(model)
            ? i18n.msg._("\"%s\" is removed from this list. The notebook and its result are kept.")
            : i18n.msg._("\"%s\" is still running: it is stopped and removed from this list. Output so far is kept in the "
                         + "result.");
        this._askToDelete({
            title: i18n.msg._("Delete this execution?"),
            sentences: [i18n.msg.sprintf(sentence, texts.nameOf(model.path))],
            button: button,
            act: function () {
                that._client.remove(model.exec_id).catch(tell(i18n.msg._("The execution could not be deleted"), button));
            }
        });
    };

    /** Delete those that have ended among the models, after a question. */
    Actions.prototype.removeFinished = function (models, isFiltered, button) {
        var that = this, ids = models.filter(executionModel.isFinal).map(function (model) { return model.exec_id; });
        var count = i18n.msg.sprintf(i18n.msg.ngettext("%d finished execution is removed from this list.",
                                                       "%d finished executions are removed from this list.", ids.length),
                                     ids.length);
        this._askToDelete({
            title: i18n.msg._("Delete finished executions?"),
            sentences: [count,
                        isFiltered ? i18n.msg._("Only those that match the filter are deleted.") : '',
                        i18n.msg._("Notebooks and results are kept. Running executions continue.")],
            button: button,
            act: function () {
                that._client.removeMany(ids).catch(tell(i18n.msg._("Some executions could not be deleted"), button));
            }
        });
    };

    Actions.prototype._askToDelete = function (options) {
        modal.ask($.extend({verb: i18n.msg._("Delete"), style: 'btn-danger'}, options));
    };

    /** Run the notebook of the model once more, in the same way; what is not known any more is asked for. */
    Actions.prototype.again = function (model, button) {
        if (executionModel.hasSecrets(model)) {
            this.change(model, button);
            return;
        }
        this._client.start($.extend({notebook: model.path}, executionModel.valuesOf(model)), null, model.exec_id).then(
            this._options.onStarted, tell(i18n.msg._("The notebook could not be run"), button));
    };

    /** Show the form, filled in as for the model. */
    Actions.prototype.change = function (model, button) {
        this._form(model.path, executionModel.valuesOf(model), button, model.exec_id);
    };

    /** Show the form for a notebook. */
    Actions.prototype.run = function (path, button) {
        this._form(path, {}, button);
    };

    Actions.prototype._form = function (path, values, button, origin) {
        $(button).focus();  // the form returns the focus to where it was; an entry of a menu is hidden then
        formView.FormView.open({client: this._client, path: path, values: values, origin: origin,
                                onStarted: this._options.onStarted});
    };

    Actions.prototype.showError = function (model, button) {
        var that = this, cell = texts.cellOf(model);
        var shown = modal.show({
            title: i18n.msg.sprintf(i18n.msg._("Why \"%s\" failed"), texts.nameOf(model.path)),
            body: $('<div>').append(
                $('<p>').text(cell ? i18n.msg.sprintf(i18n.msg._("It failed in %s:"), cell) : ''),
                $('<pre>').addClass('nbexec-error-text').attr('tabindex', '0').text(executionModel.errorOf(model))),
            buttons: [
                {label: i18n.msg._("Details"), click: function () { that._options.onDetails(model); }},
                {label: i18n.msg._("Close"), style: 'btn-primary'}
            ],
            button: button
        });
        shown.find('.modal-dialog').addClass('modal-lg');
    };

    /** Return what shows an error of the client in a dialog. */
    var tell = function (title, button) {
        return function (error) {
            modal.tell({title: title, message: error.message, button: button});
        };
    };

    return {Actions: Actions};
});
