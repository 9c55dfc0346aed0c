/**
 * What can be told from the model of an execution, as the API has it. Says nothing to a person and draws nothing.
 */
define(function () {
    "use strict";

    var MASK = '********';  // what stands for a secret value
    var ERROR = 'error: ';
    var RULE = '\n------------------\n';
    var SHUT_DOWN = 'error: the execution was shut down';  // the status of one that was stopped, to the letter

    /** The state of a model: 'starting', 'running', 'completed', 'failed' or 'stopped'. */
    var stateOf = function (model) {
        var states = {initializing: 'starting', executing: 'running', completed: 'completed'};
        return states[model.status] || (model.status === SHUT_DOWN ? 'stopped' : 'failed');
    };

    /** Whether it has ended. */
    var isFinal = function (model) {
        return model.status !== 'initializing' && model.status !== 'executing';
    };

    /** The whole message of an execution that did not complete, else ''. */
    var errorOf = function (model) {
        return model.status.indexOf(ERROR) === 0 ? model.status.slice(ERROR.length) : '';
    };

    /**
     * Name and text of the exception that a cell raised, "ename: evalue"; of another error the whole message.
     *
     * The status has the source of the cell before it, between two rules.
     */
    var exceptionOf = function (model) {
        var message = errorOf(model), begin = message.indexOf(RULE);
        if (begin === -1) {
            return message;
        }
        var source = model.last_cell_source || '', after = begin + RULE.length;
        var isKnown = message.slice(after, after + source.length) === source;
        var end = message.indexOf(RULE, isKnown ? after + source.length : after);
        return end === -1 ? message : message.slice(end + RULE.length);
    };

    /** `{current, total}` of the cell that runs, null before the first. */
    var progressOf = function (model) {
        var parts = (model.progress || '').split('/').map(Number);
        return parts.length === 2 && parts[1] ? {current: parts[0], total: parts[1]} : null;
    };

    /** How much is done, in percent: the cell that runs does not count yet. */
    var percentOf = function (model) {
        var progress = progressOf(model);
        if (model.status === 'completed') {
            return 100;
        }
        return progress ? Math.floor(100 * (progress.current - 1) / progress.total) : 0;
    };

    /** Whether it had values that are not kept, so that somebody has to give them again. */
    var hasSecrets = function (model) {
        return Object.keys(model.params).some(function (name) { return model.params[name] === MASK; });
    };

    /** What a request needs to run the same again, texts by name: the parameters, and how to run it. */
    var valuesOf = function (model) {
        var values = Object.assign({}, model.params);
        if (model.jupyter_kernel) {
            values.jupyter_kernel = model.jupyter_kernel;
        }
        if (model.cell_timeout) {
            values.cell_timeout = String(model.cell_timeout);
        }
        if (model.output_path && (model.overwrite || !hasDefaultResult(model))) {
            values.output_path = model.output_path;
            values.overwrite = String(model.overwrite);
        }
        return values;
    };

    /** Whether the result has the name that it is given if none is asked for. */
    var hasDefaultResult = function (model) {
        var stem = model.path.replace(/\.ipynb$/, '') + '-Executed';
        return model.output_path.indexOf(stem) === 0 && /^\d+\.ipynb$/.test(model.output_path.slice(stem.length));
    };

    return {
        stateOf: stateOf, isFinal: isFinal, errorOf: errorOf, exceptionOf: exceptionOf, progressOf: progressOf,
        percentOf: percentOf,
        hasSecrets: hasSecrets, valuesOf: valuesOf
    };
});
