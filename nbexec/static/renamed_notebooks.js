/**
 * Remembers, in this browser, what a notebook is called now: its executions keep the path that they were started with.
 */
define(function () {
    "use strict";

    var KEY = 'nbexec-renamed', MOST = 200;  // executions

    var read = function () {
        try {
            return JSON.parse(window.localStorage.getItem(KEY)) || [];
        } catch (error) {
            return [];  // a browser may forbid it, or somebody else have written there
        }
    };

    /** Remember that the executions with these ids are of the notebook that is at `path` now. */
    var remember = function (ids, path) {
        var others = read().filter(function (entry) { return ids.indexOf(entry.id) === -1; });
        var entries = ids.map(function (id) { return {id: id, path: path}; }).concat(others).slice(0, MOST);
        try {
            window.localStorage.setItem(KEY, JSON.stringify(entries));
        } catch (error) {
            return;  // then a reload does not find them
        }
    };

    /** Whether the execution of a model is of the notebook that is at `path` now. */
    var isOf = function (model, path) {
        var entry = read().filter(function (entry) { return entry.id === model.exec_id; })[0];
        return (entry ? entry.path : model.path) === path;
    };

    return {remember: remember, isOf: isOf};
});
