/**
 * How the pages put an execution into words: its state, its times, its names. Draws nothing and asks for nothing.
 */
define(['moment', 'base/js/i18n', 'base/js/utils', './execution_model'], function (moment, i18n, utils, executionModel) {
    "use strict";

    var stateNames = {
        starting: i18n.msg._("Waiting"),
        running: i18n.msg._("Running"),
        completed: i18n.msg._("Completed"),
        failed: i18n.msg._("Failed"),
        stopped: i18n.msg._("Stopped")
    };

    var CELL = i18n.msg._("cell %d of %d");  // looking a text up is slow, and each event needs it

    /** The error of an execution in one line; of an exception its name and the first line of its text. */
    var errorLine = function (model) {
        var lines = executionModel.exceptionOf(model).split('\n').filter(function (line) { return line.trim(); });
        return lines[0] || '';
    };

    var nameOf = function (path) {
        return path.split('/').pop();
    };

    /** The folder of a path, '' for the root. */
    var folderOf = function (path) {
        return path.split('/').slice(0, -1).join('/');
    };

    /** The parameters in one line, or those whose names pass. */
    var parametersOf = function (model, passes) {
        return Object.keys(model.params).filter(passes || Boolean).map(function (name) {
            return name + '=' + model.params[name];
        }).join(', ');
    };

    /** "cell 3 of 10", '' before the first. */
    var cellOf = function (model) {
        var progress = executionModel.progressOf(model);
        return progress ? i18n.msg.sprintf(CELL, progress.current, progress.total) : '';
    };

    /** A text of a notebook, which may be a list of its lines. */
    var joined = function (text) {
        return Array.isArray(text) ? text.join('') : String(text === undefined ? '' : text);
    };

    /** What an output of nbformat says, as text. */
    var ofOutput = function (output) {
        if (output.output_type === 'stream') {
            return joined(output.text);
        }
        if (output.output_type === 'error') {
            return output.ename + ': ' + output.evalue;
        }
        return joined((output.data || {})['text/plain'] || '');
    };

    /** Seconds as a person says them: "3 ms", "0.12 s", "4.1 s", "12 s", "2 min 05 s", "3 h 12 min". */
    var duration = function (seconds) {
        if (seconds < 0.0995) {
            return Math.max(Math.round(seconds * 1000), 0) + ' ms';
        }
        if (seconds < 0.995) {
            return seconds.toFixed(2) + ' s';
        }
        if (seconds < 9.95) {
            return seconds.toFixed(1) + ' s';
        }
        var whole = Math.round(seconds), minutes = Math.floor(whole / 60);
        if (whole < 60) {
            return whole + ' s';
        }
        if (minutes < 60) {
            return minutes + ' min ' + two(whole % 60) + ' s';
        }
        return Math.floor(minutes / 60) + ' h ' + two(minutes % 60) + ' min';
    };

    /** The same for what goes on: whole seconds only, for a number that flickers cannot be read. */
    var durationSoFar = function (seconds) {
        return seconds < 10 ? Math.max(Math.floor(seconds), 0) + ' s' : duration(Math.floor(seconds));
    };

    var two = function (number) {
        return (number < 10 ? '0' : '') + number;
    };

    /** "2 minutes ago", from seconds since the epoch. */
    var ago = function (timestamp) {
        return utils.format_datetime(Math.min(timestamp * 1000, Date.now()));
    };

    var momentOf = function (timestamp) {
        return moment(timestamp * 1000).format('YYYY-MM-DD HH:mm:ss');
    };

    /** The time of day, as everywhere in 24 hours. */
    var timeOf = function (timestamp) {
        return moment(timestamp * 1000).format('HH:mm:ss');
    };

    return {
        stateNames: stateNames, errorLine: errorLine, nameOf: nameOf, folderOf: folderOf, parametersOf: parametersOf,
        cellOf: cellOf, joined: joined, ofOutput: ofOutput,
        duration: duration, durationSoFar: durationSoFar, ago: ago, momentOf: momentOf, timeOf: timeOf
    };
});
