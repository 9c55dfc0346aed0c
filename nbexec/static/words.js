/**
 * What is said of an execution: its state, its times, its names. Draws nothing and asks for nothing.
 */
define(['moment', 'base/js/i18n', 'base/js/utils'], function (moment, i18n, utils) {
    "use strict";

    var MASK = '********';  // what stands for a secret value
    var STOPPED = /^error: the execution was shut down/;

    /** The state of a model: 'starting', 'running', 'completed', 'failed' or 'stopped'. */
    var state_of = function (model) {
        if (model.status === 'initializing') {
            return 'starting';
        }
        if (model.status === 'executing') {
            return 'running';
        }
        if (model.status === 'completed') {
            return 'completed';
        }
        return STOPPED.test(model.status) ? 'stopped' : 'failed';
    };

    var is_final = function (model) {
        return model.status !== 'initializing' && model.status !== 'executing';
    };

    var state_names = {
        starting: i18n.msg._("Waiting"),
        running: i18n.msg._("Running"),
        completed: i18n.msg._("Completed"),
        failed: i18n.msg._("Failed"),
        stopped: i18n.msg._("Stopped")
    };

    /** The whole message of an execution that did not complete, else ''. */
    var error_of = function (model) {
        return model.status.indexOf('error: ') === 0 ? model.status.slice('error: '.length) : '';
    };

    /** The line of the message that says most: the last one, which names the exception. */
    var error_line = function (model) {
        var lines = error_of(model).split('\n').filter(function (line) { return line.trim(); });
        return lines.length ? lines[lines.length - 1] : '';
    };

    var name_of = function (path) {
        return path.split('/').pop();
    };

    /** The folder of a path, '' for the root. */
    var folder_of = function (path) {
        return path.split('/').slice(0, -1).join('/');
    };

    /** The parameters in one line. */
    var parameters_of = function (model) {
        return Object.keys(model.params).map(function (name) {
            return name + '=' + model.params[name];
        }).join(', ');
    };

    /** Whether it had values that are not kept, so that somebody has to give them again. */
    var has_secrets = function (model) {
        return Object.keys(model.params).some(function (name) { return model.params[name] === MASK; });
    };

    /** `{current, total}` of the cell that runs, null before the first. */
    var progress_of = function (model) {
        var parts = (model.progress || '').split('/').map(Number);
        return parts.length === 2 && parts[1] ? {current: parts[0], total: parts[1]} : null;
    };

    /** How much is done, in percent: the cell that runs does not count yet. */
    var percent_of = function (model) {
        var progress = progress_of(model);
        if (model.status === 'completed') {
            return 100;
        }
        return progress ? Math.floor(100 * (progress.current - 1) / progress.total) : 0;
    };

    /** "cell 3 of 10", '' before the first. */
    var cell_of = function (model) {
        var progress = progress_of(model);
        return progress ? i18n.msg.sprintf(i18n.msg._("cell %d of %d"), progress.current, progress.total) : '';
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
    var duration_so_far = function (seconds) {
        return seconds < 10 ? Math.max(Math.floor(seconds), 0) + ' s' : duration(Math.floor(seconds));
    };

    var two = function (number) {
        return (number < 10 ? '0' : '') + number;
    };

    /** "2 minutes ago", from seconds since the epoch. */
    var ago = function (timestamp) {
        return utils.format_datetime(Math.min(timestamp * 1000, Date.now()));
    };

    var moment_of = function (timestamp) {
        return moment(timestamp * 1000).format('YYYY-MM-DD HH:mm:ss');
    };

    return {
        state_of: state_of, is_final: is_final, state_names: state_names, error_of: error_of, error_line: error_line,
        name_of: name_of, folder_of: folder_of, parameters_of: parameters_of,
        has_secrets: has_secrets, progress_of: progress_of,
        percent_of: percent_of, cell_of: cell_of, duration: duration, duration_so_far: duration_so_far, ago: ago,
        moment_of: moment_of
    };
});
