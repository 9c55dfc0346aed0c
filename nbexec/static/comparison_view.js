/**
 * Draws two executions side by side: when and where they ran, parameters, results, and their cells with times and outputs.
 */
define([
    'jquery', 'base/js/i18n', './live_outputs', './texts', './execution_model', './parts', './cell_pairs',
    './compared_cell'
], function ($, i18n, liveOutputs, texts, executionModel, parts, cellPairs, comparedCell) {
    "use strict";

    var PAUSE = 200;  // milliseconds between two drawings, while events come
    var MOST_OPEN = 20;  // cells that are opened because their outputs differ

    /**
     * @constructor
     * @param {jQuery} element - where it is drawn
     * @param {Object} options
     * @param {Client} options.client
     * @param {function()} options.onBack - called when the list is asked for
     */
    var ComparisonView = function (element, options) {
        this._element = element;
        this._client = options.client;
        this._onBack = options.onBack;
        this._sides = [];  // `{id, model, cells, isDone, stop}`
    };

    /** Compare the executions with these two ids. */
    ComparisonView.prototype.open = function (ids) {
        if (this._sides.map(function (side) { return side.id; }).join() === ids.join()) {
            return;
        }
        this.close();
        this._sides = ids.map(this._follow, this);
        this._create();
        this._title.focus();
    };

    ComparisonView.prototype.close = function () {
        this._sides.forEach(function (side) { side.stop(); });
        this._sides = [];
        clearTimeout(this._due);
        this._due = null;
        this._element.empty();
    };

    ComparisonView.prototype._create = function () {
        this._title = $('<h3>').attr('tabindex', -1).text(i18n.msg._("Comparison"));
        this._message = $('<p>').addClass('nbexec-note').attr('role', 'status').text(i18n.msg._("Loading…"));
        this._facts = $('<div>').addClass('nbexec-value-table');
        this._cells = $('<div>').addClass('nbexec-cells');
        this._element.append(
            parts.button('btn-default btn-xs nbexec-back', i18n.msg._("All executions"), this._onBack, 'fa-arrow-left'),
            this._title, this._onlyDifferences(), this._message, this._facts, this._cells);
    };

    /** A box that hides what is the same. */
    ComparisonView.prototype._onlyDifferences = function () {
        var element = this._element.removeClass('nbexec-only-differences');
        var box = $('<input>').attr('type', 'checkbox').change(function () {
            element.toggleClass('nbexec-only-differences', this.checked);
        });
        return $('<label>').append(box, ' ', i18n.msg._("Only differences"));
    };

    // -- the events ------------------------------------------------------------------------------------------------

    /** Follow one of the two, to its end. */
    ComparisonView.prototype._follow = function (id) {
        var that = this, side = {id: id, model: null, cells: [], isDone: false};
        this._client.get(id).then(function (model) {
            side.model = model;
            that._drawSoon();
        }).catch(function (error) {
            side.error = error;
            that._drawSoon();
        });
        side.stop = this._client.follow(id, {onEvent: function (event) {
            take(side, event);
            that._drawSoon();
        }});
        return side;
    };

    var take = function (side, event) {
        var number = parseInt(event.progress, 10), last = side.cells[side.cells.length - 1];
        side.model = event.execution || side.model;
        if (event.event === 'start') {
            side.cells.push({
                number: number, source: texts.joined(event.cell.source), outputs: [], seconds: null,
                isInjected: (event.cell.metadata.tags || []).indexOf('injected-parameters') !== -1});
        } else if (event.event === 'end' && last && last.number === number) {
            last.outputs = liveOutputs.atEnd(event);
            last.seconds = (event.cell.metadata.nbexec || {}).duration;
        } else if (event.event === 'notebook_complete' || event.event === 'notebook_error') {
            side.isDone = true;
        }
    };

    // -- drawing ---------------------------------------------------------------------------------------------------

    ComparisonView.prototype._drawSoon = function () {
        var that = this;
        this._due = this._due || setTimeout(function () {
            that._due = null;
            that._draw();
        }, PAUSE);
    };

    ComparisonView.prototype._draw = function () {
        var sides = this._sides, error = sides.map(function (side) { return side.error; }).filter(Boolean)[0];
        if (error) {
            this._message.text(error.status === 404
                ? i18n.msg._("One of these executions no longer exists.") : error.message);
            return;
        }
        if (!sides.length || sides.some(function (side) { return !side.model; })) {
            return;  // it was closed meanwhile, or not all is known yet
        }
        var isDone = sides.every(function (side) { return side.isDone; });
        this._message.text(isDone ? '' : i18n.msg._("The cells are compared when both have ended."));
        this._drawFacts(sides);
        if (isDone && !this._cells.children().length) {
            this._drawCells(cellPairs.pairsOf(sides[0].cells, sides[1].cells));
        }
    };

    ComparisonView.prototype._drawFacts = function (sides) {
        var models = sides.map(function (side) { return side.model; }), names = models.map(function (model, index) {
            return $('<td>').append($('<a>').attr('href', '#executions/' + encodeURIComponent(model.exec_id))
                .text((index ? 'B: ' : 'A: ') + texts.nameOf(model.path)));
        });
        var body = $('<tbody>').append($('<tr>').append(
            $('<th>').attr('scope', 'row').text(i18n.msg._("Execution")), names));
        FACTS.forEach(function (fact) { addRow(body, fact.label, models.map(fact.of), fact.isTime); });
        addGroup(body, i18n.msg._("Parameters"), models.map(parametersOf));
        addGroup(body, i18n.msg._("Results"), models.map(function (model) { return model.results || {}; }));
        this._facts.empty().append($('<table>').addClass('table table-condensed nbexec-compared').append(body));
    };

    var FACTS = [
        {label: i18n.msg._("State"), of: function (model) { return texts.stateNames[executionModel.stateOf(model)]; }},
        {label: i18n.msg._("Error"), of: function (model) { return texts.errorLine(model); }},
        {label: i18n.msg._("Started"), isTime: true, of: function (model) {
            return model.started_at ? texts.momentOf(model.started_at) : '';
        }},
        {label: i18n.msg._("Duration"), isTime: true, of: function (model) {
            return model.started_at && model.completed_at ? texts.duration(model.completed_at - model.started_at) : '';
        }},
        {label: i18n.msg._("Kernel"), of: function (model) { return model.kernel || model.jupyter_kernel || ''; }},
        {label: i18n.msg._("Worker"), of: function (model) { return model.where || ''; }}
    ];

    /** The values of all parameters, as far as they are known. */
    var parametersOf = function (model) {
        var values = {};
        (model.parameters || []).forEach(function (parameter) { values[parameter.name] = parameter.value; });
        return Object.assign(values, model.params);
    };

    var addGroup = function (body, label, values) {
        var names = Object.keys(Object.assign({}, values[0], values[1]));
        if (names.length) {
            body.append($('<tr>').append($('<th>').attr({scope: 'rowgroup', colspan: 3})
                .addClass('nbexec-compared-group').text(label)));
        }
        names.forEach(function (name) {
            addRow(body, name, values.map(function (side) { return name in side ? textOf(side[name]) : ''; }));
        });
    };

    /** A row if there is something in it, marked if the two differ; times do so anyway. */
    var addRow = function (body, label, pair, isTime) {
        if (pair[0] || pair[1]) {
            var head = $('<th>').attr('scope', 'row').text(label);
            if (pair[0] !== pair[1] && !isTime) {
                head.append(' ', $('<span>').addClass('nbexec-changed').text(i18n.msg._("differs")));
            }
            body.append($('<tr>').toggleClass('nbexec-same', pair[0] === pair[1])
                .append(head, $('<td>').text(pair[0]), $('<td>').text(pair[1])));
        }
    };

    var textOf = function (value) {
        return typeof value === 'string' ? value : JSON.stringify(value);
    };

    ComparisonView.prototype._drawCells = function (pairs) {
        var left = MOST_OPEN;
        this._cells.append($('<h4>').text(i18n.msg._("Cells")));
        pairs.forEach(function (pair, index) {
            var cell = new comparedCell.ComparedCell(this._cells, pair, index);
            if (cell.differs && left > 0) {
                left -= 1;
                cell.open();
            }
        }, this);
        if (!pairs.length) {
            this._cells.append($('<p>').addClass('nbexec-note').text(i18n.msg._("There are no cells to compare.")));
        }
    };

    return {ComparisonView: ComparisonView};
});
