// The server extension of nbexec serves a file in the place of this one, which is here for "jupyter nbextension list".
define(function () {
    "use strict";
    return {
        load_ipython_extension: function () {
            console.warn("nbexec: this server has not loaded the server extension; its log says why.");
        }
    };
});
