/**
 * Draws the commands that run a notebook with the same values, to be copied.
 */
define(['jquery', 'base/js/i18n', './command_text', './parts'], function ($, i18n, commandText, parts) {
    "use strict";

    var numberOfCommands = 0;  // for ids that occur once in a page

    /** The commands for curl and `nbexec run`; the arguments are those of `command_text.curl`. */
    var boxOf = function (baseUrl, fields, secret) {
        return $('<div>').addClass('nbexec-commands').append(
            commandOf('curl', commandText.curl(baseUrl, fields, secret)),
            commandOf('nbexec run', commandText.nbexecRun(baseUrl, fields, secret)),
            $('<p>').addClass('help-block').text(i18n.msg._(
                "For bash and zsh. Set NBEXEC_TOKEN to the token of the server first; a variable SECRET_… stands for each "
                + "secret value.")));
    };

    /** One command under its name, with a button that copies it. */
    var commandOf = function (name, command) {
        var id = 'nbexec_command_' + (numberOfCommands += 1), said = parts.announcement();
        var area = $('<textarea>').attr({id: id, readonly: '', spellcheck: 'false', rows: command.split('\n').length})
            .addClass('form-control input-sm').val(command).on('focus', function () { this.select(); });
        return $('<div>').addClass('nbexec-command').append(
            $('<label>').attr('for', id).text(name),
            parts.button('btn-default btn-xs', i18n.msg._("Copy"), function () {
                area.focus().select();
                // The newer way is only there on https and localhost.
                said.text(document.execCommand('copy') ? i18n.msg._("Copied") : i18n.msg._("Press Ctrl-C to copy"));
            }, 'fa-clipboard').attr('aria-label', i18n.msg.sprintf(i18n.msg._("Copy the command %s"), name)),
            said.removeClass('sr-only'), area);
    };

    return {boxOf: boxOf};
});
