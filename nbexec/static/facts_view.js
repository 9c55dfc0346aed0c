/**
 * Draws what is known of an execution besides its cells: when and where it ran, its parameters, its results.
 */
define(['jquery', 'base/js/namespace', 'base/js/i18n', './texts', './execution_model', './parts'
], function ($, Jupyter, i18n, texts, executionModel, parts) {
    "use strict";

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     * @param {Actions} actions
     */
    var FactsView = function (element, actions) {
        this._actions = actions;
        this._warnings = parts.alertBox('warning', 'nbexec-warnings');
        this._facts = $('<dl>').addClass('nbexec-facts');
        this._parameters = $('<div>').addClass('nbexec-value-table nbexec-parameters-table');
        this._results = $('<section>').addClass('nbexec-value-table nbexec-results').hide();
        this._duration = $('<dd>');
        this._failedCells = [];
        this._drawn = null;
        element.append(
            this._warnings,
            $('<div>').addClass('nbexec-two').append(
                $('<section>').append($('<h4>').text(i18n.msg._("Execution")), this._facts),
                $('<section>').append($('<h4>').text(i18n.msg._("Parameters")), this._parameters)),
            this._results);
    };

    FactsView.prototype.draw = function (model) {
        this._model = model;
        this._drawFacts(model);
        this._drawParameters(model);
        this._drawResults(model.results || {});
    };

    /** Show what the start of the execution warned of: that its kernel is not that of the notebook. */
    FactsView.prototype.setWarnings = function (warnings) {
        var text = warnings.join(' ');
        this._warnings.text(text).toggle(text !== '');
    };

    FactsView.prototype.setDuration = function (text) {
        parts.setText(this._duration, text);
    };

    /** Show which cells have failed, if others were run after them. */
    FactsView.prototype.setFailedCells = function (numbers) {
        this._failedCells = numbers;
        if (this._model) {
            this._drawFacts(this._model);
        }
    };

    /** Draw what is known, but only if it has changed: a link in it may have the focus. */
    FactsView.prototype._drawFacts = function (model) {
        var drawn = JSON.stringify([model.exec_id, model.output_path, model.requested_at, model.started_at,
                                    model.completed_at, model.kernel, model.where, this._failedCells]);
        if (drawn === this._drawn) {
            return;
        }
        this._drawn = drawn;
        var facts = this._facts, actions = this._actions;
        this._duration.detach();
        facts.empty();
        var add = function (name, value) {
            return $('<dd>').text(value || '').appendTo(facts.append($('<dt>').text(name)));
        };
        add(i18n.msg._("Notebook")).append(
            $('<a>').attr({href: actions.urlOf(model.path), target: Jupyter._target}).text(model.path));
        if (model.output_path && executionModel.isFinal(model)) {
            add(i18n.msg._("Result")).append(actions.resultLink(model.output_path, model.output_path));
        }
        [[i18n.msg._("Requested"), model.requested_at], [i18n.msg._("Started"), model.started_at],
         [i18n.msg._("Ended"), model.completed_at]].forEach(function (moment) {
            if (moment[1]) {
                add(moment[0], texts.momentOf(moment[1]));
            }
        });
        facts.append($('<dt>').text(i18n.msg._("Duration")), this._duration);
        add(i18n.msg._("Kernel"), model.kernel || model.jupyter_kernel || i18n.msg._("not chosen yet"));
        if (model.where) {
            add(i18n.msg._("Worker"), model.where);
        }
        if (model.cell_timeout) {
            add(i18n.msg._("Cell timeout"), texts.duration(model.cell_timeout));
        }
        if (this._failedCells.length) {
            add(i18n.msg._("Failed cells"), this._failedCells.join(', '));
        }
        add('exec_id', model.exec_id);
    };

    /** All values, the changed ones marked; of an older server, or if the notebook tells none, those that were given. */
    FactsView.prototype._drawParameters = function (model) {
        var parameters = model.parameters || Object.keys(model.params).map(function (name) {
            return {name: name, value: model.params[name], changed: true};
        });
        this._parameters.empty();
        if (!parameters.length) {
            this._parameters.append($('<p>').addClass('nbexec-note').text(i18n.msg._("No parameters.")));
            return;
        }
        this._parameters.append(tableOf(parameters.map(function (parameter) {
            return {name: parameter.name, value: valueOf(parameter, model.params), isMarked: parameter.changed};
        })));
    };

    FactsView.prototype._drawResults = function (results) {
        var names = Object.keys(results);
        this._results.empty().toggle(names.length > 0).append($('<h4>').text(i18n.msg._("Results")), tableOf(
            names.map(function (name) { return {name: name, value: textOf(results[name])}; })));
    };

    /** The value of a parameter as text; a given one as it was given, with all digits. */
    var valueOf = function (parameter, given) {
        if (parameter.computed) {
            return i18n.msg._("computed by the notebook");
        }
        if (parameter.required) {
            return i18n.msg._("no value");
        }
        return parameter.changed && given[parameter.name] !== undefined ? given[parameter.name] : textOf(parameter.value);
    };

    var textOf = function (value) {
        return typeof value === 'string' ? value : JSON.stringify(value);
    };

    var tableOf = function (entries) {
        var body = $('<tbody>');
        entries.forEach(function (entry) {
            var value = $('<td>').text(entry.value);
            if (entry.isMarked) {
                value.append(' ', $('<span>').addClass('nbexec-changed').text(i18n.msg._("changed")));
            }
            body.append($('<tr>').append($('<th>').attr('scope', 'row').text(entry.name), value));
        });
        return $('<table>').addClass('table table-condensed').append(body);
    };

    return {FactsView: FactsView};
});
