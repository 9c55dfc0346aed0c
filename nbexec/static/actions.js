/**
 * What a user can do with an execution, with the questions that are asked before and the trouble that is told after.
 */
define([
    'jquery', 'base/js/namespace', 'base/js/utils', 'base/js/i18n', './modal', './texts', './execution_model', './form_view',
    './table_view'
], function ($, Jupyter, utils, i18n, modal, texts, executionModel, formView, tableView) {
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

    /** Delete these, whether they have ended or not, after a question. */
    Actions.prototype.removeAll = function (models, button) {
        var that = this, ids = models.map(function (model) { return model.exec_id; });
        this._askToDelete({
            title: i18n.msg._("Delete the selected executions?"),
            sentences: [countOf(ids.length), i18n.msg._(
                "Notebooks and results are kept. Executions that have not ended are stopped; their output so far is kept.")],
            button: button,
            act: function () {
                that._client.removeMany(ids).catch(tell(i18n.msg._("Some executions could not be deleted"), button));
            }
        });
    };

    /** Stop those that have not ended, after a question. */
    Actions.prototype.stopAll = function (models, button) {
        var that = this, running = models.filter(function (model) { return !executionModel.isFinal(model); });
        modal.ask({
            title: i18n.msg._("Stop the selected executions?"), verb: i18n.msg._("Stop"), style: 'btn-warning',
            sentences: [countOf(running.length),
                        i18n.msg._("The running cells are interrupted. Output so far is kept.")],
            button: button,
            act: function () {
                Promise.all(running.map(function (model) {
                    return that._client.shutdown(model.exec_id).catch(unlessGone);
                })).catch(tell(i18n.msg._("Some executions could not be stopped"), button));
            }
        });
    };

    /** Run these once more, the oldest first, after a question; not those with values that are not kept. */
    Actions.prototype.againAll = function (models, button) {
        var that = this, left = models.filter(function (model) { return !executionModel.hasSecrets(model); }).reverse();
        var skipped = models.length - left.length, count = left.length;
        var next = function () {
            var model = left.shift();
            return model ? that._again(model).then(next) : null;
        };
        modal.ask({
            title: i18n.msg._("Run the selected executions again?"), verb: i18n.msg._("Run"), style: 'btn-primary',
            sentences: [countOf(count),
                        i18n.msg._("They use the same parameters, kernel, time limit and result path."),
                        skipped ? i18n.msg._("Executions with secret parameters are left out: their values are not kept.")
                            : ''],
            button: button,
            act: function () {
                Promise.resolve(next()).catch(tell(i18n.msg._("Some notebooks could not be run"), button));
            }
        });
    };

    Actions.prototype._again = function (model) {
        return this._client.start($.extend({notebook: model.path}, executionModel.valuesOf(model)), null, model.exec_id);
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
        this._again(model).then(
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

    /** Run the notebook with a table of values, which has those of the model where it has none itself. */
    Actions.prototype.runTable = function (model, button) {
        if (executionModel.hasSecrets(model)) {
            return this.change(model, button);  // asks for them, and leads to the table too
        }
        $(button).focus();
        tableView.TableView.open({client: this._client, path: model.path, values: executionModel.valuesOf(model),
                                  origin: model.exec_id});
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

    var countOf = function (number) {
        return i18n.msg.sprintf(i18n.msg.ngettext("%d execution.", "%d executions.", number), number);
    };

    var unlessGone = function (error) {
        if (error.status !== 404) {
            throw error;
        }
    };

    /** Return what shows an error of the client in a dialog. */
    var tell = function (title, button) {
        return function (error) {
            modal.tell({title: title, message: error.message, button: button});
        };
    };

    return {Actions: Actions};
});
