/**
 * Reads a table of values as a spreadsheet copies it: names in the first row, then a row for each execution. Draws nothing.
 */
define(['base/js/i18n', './value_check'], function (i18n, valueCheck) {
    "use strict";

    var LINE_END = '\\r\\n|\\r|\\n';

    /** What separates the columns, from the first line: a tab, else a semicolon, else a comma. */
    var delimiterOf = function (text) {
        var first = text.split(/\r|\n/)[0];
        return ['\t', ';', ','].filter(function (delimiter) { return first.indexOf(delimiter) !== -1; })[0] || '\t';
    };

    /** The rows of a text, each a list of its cells; one in quotes may have line ends in it. */
    var rowsOf = function (text) {
        var between = delimiterOf(text), rows = [[]], match;
        var pattern = new RegExp('(?:"((?:[^"]|"")*)"(?=' + between + '|' + LINE_END + '|$)|([^' + between + '\\r\\n]*))('
                                 + between + '|' + LINE_END + '|$)', 'g');
        do {
            match = pattern.exec(text);
            rows[rows.length - 1].push(match[1] === undefined ? match[2] : match[1].replace(/""/g, '"'));
            if (match[3] && match[3] !== between) {
                rows.push([]);
            }
        } while (match[3]);
        return rows.filter(function (row) { return row.some(function (cell) { return cell.trim() !== ''; }); });
    };

    /**
     * Read a table.
     *
     * @param {string} text
     * @param {Array<Object>} parameters - of the notebook, as `Client.parameters` has them
     * @return {Object} `names` of the columns, `rows` with texts by name but for empty ones, `problems` in sentences
     */
    var read = function (text, parameters) {
        var rows = rowsOf(text.replace(/^\ufeff/, '')), names = (rows.shift() || []).map(function (name) {
            return name.trim();
        });
        while (names.length && names[names.length - 1] === '') {
            names.pop();
        }
        var problems = problemsOfNames(names, parameters);
        return {
            names: names,
            problems: problems.length ? problems : problemsOfRows(rows, names, parameters),
            rows: rows.map(function (row) {
                var values = {};
                names.forEach(function (name, column) {
                    if (row[column]) {
                        values[name] = row[column];
                    }
                });
                return values;
            })
        };
    };

    var problemsOfNames = function (names, parameters) {
        var known = parameters.map(function (parameter) { return parameter.name; });
        return names.map(function (name, column) {
            if (known.indexOf(name) === -1) {
                return i18n.msg.sprintf(i18n.msg._(
                    "\"%1$s\" in the first row is not a parameter of this notebook, which has: %2$s"),
                    name, known.join(', '));
            }
            return names.indexOf(name) < column
                ? i18n.msg.sprintf(i18n.msg._("\"%s\" is in the first row twice."), name) : '';
        }).filter(Boolean);
    };

    var problemsOfRows = function (rows, names, parameters) {
        var problems = [];
        rows.forEach(function (row, index) {
            if (row.slice(names.length).some(function (cell) { return cell !== ''; })) {
                problems.push(i18n.msg.sprintf(
                    i18n.msg._("Row %d has more values than the first row has names."), index + 1));
            }
            names.forEach(function (name, column) {
                var found = row[column] ? mistakeIn(parameterOf(name, parameters), row[column]) : '';
                if (found) {
                    problems.push(i18n.msg.sprintf(i18n.msg._("Row %1$d, %2$s: %3$s"), index + 1, name, found));
                }
            });
        });
        return problems;
    };

    var parameterOf = function (name, parameters) {
        return parameters.filter(function (parameter) { return parameter.name === name; })[0];
    };

    var mistakeIn = function (parameter, text) {
        var isNone = parameter.nullable && /^(null|None)$/.test(text);
        return isNone ? '' : valueCheck.mistakeIn(parameter.format || parameter.type, text);
    };

    /** The text of a table that a spreadsheet takes; `rows` are lists of texts. */
    var write = function (rows) {
        return rows.map(function (row) {
            return row.map(function (cell) {
                return /^"|[\t\r\n]/.test(cell) ? '"' + cell.replace(/"/g, '""') + '"' : cell;
            }).join('\t');
        }).join('\n');
    };

    return {read: read, write: write};
});
