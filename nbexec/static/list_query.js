/**
 * What the list shows, as it stands in the address: `#executions?state=failed&text=north&sort=-duration`. Draws nothing.
 */
define(['./execution_model', './texts'], function (executionModel, texts) {
    "use strict";

    var TAB = '#executions', COMPARE = 'compare';
    var NAMES = ['text', 'state', 'notebook', 'since', 'until', 'sort'];  // in the order of the address
    var DAY = /^\d{4}-\d\d-\d\d$/;

    /** The address of a list. */
    var addressOf = function (query) {
        var pairs = NAMES.filter(function (name) { return query[name]; }).map(function (name) {
            return name + '=' + encodeURIComponent(query[name]).replace(/'/g, '%27');  // notebook looks for it in quotes
        });
        return TAB + (pairs.length ? '?' + pairs.join('&') : '');
    };

    /** The address of a comparison of two executions. */
    var comparisonOf = function (one, other) {
        return [TAB, COMPARE, encodeURIComponent(one), encodeURIComponent(other)].join('/');
    };

    /** What an address names: `{isOurs, id, compared, query}`. */
    var parse = function (address) {
        var halves = splitOnce(address, '?'), names = halves[0].split('/').map(decoded), query = {};
        halves[1].split('&').forEach(function (pair) {
            var parts = splitOnce(pair, '=');
            if (NAMES.indexOf(parts[0]) !== -1) {
                query[parts[0]] = decoded(parts[1]);
            }
        });
        var compared = names[1] === COMPARE && names[3] ? [names[2], names[3]] : null;
        return {isOurs: names[0] === TAB, id: compared ? '' : names[1] || '', compared: compared, query: query};
    };

    var splitOnce = function (text, mark) {
        var place = text.indexOf(mark);
        return place === -1 ? [text, ''] : [text.slice(0, place), text.slice(place + 1)];
    };

    var decoded = function (text) {
        try {
            return decodeURIComponent(text.replace(/\+/g, ' '));
        } catch (error) {
            return text;  // somebody has typed it
        }
    };

    // -- the filter ------------------------------------------------------------------------------------------------

    /** Whether a model is in the list, apart from its state. */
    var matcherOf = function (query) {
        var words = (query.text || '').toLowerCase().split(/\s+/).filter(Boolean);
        var since = secondsOf(query.since, 0, -Infinity), until = secondsOf(query.until, 1, Infinity);
        return function (model) {
            if (query.notebook && model.path !== query.notebook) {
                return false;
            }
            var moment = momentOf(model);
            if (moment < since || moment >= until) {
                return false;
            }
            if (!words.length) {
                return true;
            }
            var text = textOf(model);
            return words.every(function (word) { return text.indexOf(word) !== -1; });
        };
    };

    /** When a day begins, or the day after it, for somebody who sits here. */
    var secondsOf = function (day, later, otherwise) {
        if (!DAY.test(day || '')) {
            return otherwise;
        }
        var parts = day.split('-').map(Number);
        return new Date(parts[0], parts[1] - 1, parts[2] + later).getTime() / 1000;
    };

    var momentOf = function (model) {
        return model.requested_at || model.started_at || model.completed_at || 0;
    };

    /** What is searched in; a model does not change. */
    var textOf = function (model) {
        if (!known.has(model)) {
            known.set(model, [model.exec_id, model.path, texts.parametersOf(model), executionModel.errorOf(model),
                              model.output_path || ''].join('\n').toLowerCase());
        }
        return known.get(model);
    };

    var known = new window.WeakMap();

    // -- the order -------------------------------------------------------------------------------------------------

    /** The models, the newest first, in the order of a query: a column, with a minus for the largest first. */
    var sorted = function (models, sort, durationOf) {
        var isDown = (sort || '').charAt(0) === '-', name = (sort || '').replace('-', ''), values = {
            name: function (model) { return model.path.toLowerCase(); },
            parameters: function (model) { return texts.parametersOf(model).toLowerCase(); },
            state: function (model) { return texts.stateNames[executionModel.stateOf(model)]; },
            started: momentOf,
            duration: function (model) { return durationOf(model) || 0; }
        };
        if (!Object.prototype.hasOwnProperty.call(values, name)) {
            return models;  // none, or somebody has typed it
        }
        var value = values[name];
        return models.map(function (model, index) { return {model: model, value: value(model), index: index}; })
            .sort(function (one, other) {
                var order = one.value < other.value ? -1 : one.value > other.value ? 1 : 0;
                return (isDown ? -order : order) || one.index - other.index;
            }).map(function (entry) { return entry.model; });
    };

    return {addressOf: addressOf, comparisonOf: comparisonOf, parse: parse, matcherOf: matcherOf, sorted: sorted};
});
