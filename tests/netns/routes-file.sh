#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The routes file of the node file: applied at start, again when it changes, refused when it is
# wrong, and not applied again over what was pushed since.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin routes-file
lab_up blue:l2 green:l2
lab_node_file "routes: $LAB_DIR/routes.yaml"
lab_routes "blue: 95, green: 5" >"$LAB_DIR/routes.yaml"
lab_steerd

split_is() {
	steerctl status --routes | grep -F "green: $1"
}
lab_wait 5 "the routes of the file" split_is 5

lab_note "a new file in the old one's place, and a file written to"
lab_routes "blue: 80, green: 20" >"$LAB_DIR/routes.new"
mv "$LAB_DIR/routes.new" "$LAB_DIR/routes.yaml"
lab_wait 5 "the renamed file's routes" split_is 20
lab_routes "blue: 70, green: 30" >"$LAB_DIR/routes.yaml"
lab_wait 5 "the written file's routes" split_is 30

lab_note "a file with an error"
sed -i 's/green: 30/gren: 30/' "$LAB_DIR/routes.yaml"
complained() {
	grep -F "did you mean 'green'" "$LAB_DIR/steerd.log" && steerctl events | grep -F "routes.yaml"
}
lab_wait 5 "the complaint" complained
split_is 30 >/dev/null || lab_fail "a file with an error changed the routes"
rm "$LAB_DIR/routes.yaml"
lab_routes "blue: 60, green: 40" >"$LAB_DIR/routes.yaml"
lab_wait 5 "the routes of the file that came back" split_is 40

lab_note "what was pushed since stands over a restart"
steerctl split shop blue=50 green=50 >/dev/null || lab_fail "refused"
lab_kill steerd TERM
lab_steerd
split_is 50 >/dev/null || lab_fail "the old file was applied over what was pushed"
lab_routes "blue: 90, green: 10" >"$LAB_DIR/routes.yaml"
lab_wait 5 "the routes of the changed file" split_is 10

lab_note "--check says what is wrong, or nothing"
"$LAB_BUILD/steerd" --config "$LAB_DIR/edge.yaml" --check >/dev/null || lab_fail "--check refuses a good file"
sed -i 's/green: 10/gren: 10/' "$LAB_DIR/routes.yaml"
expect_refused "did you mean 'green'" "$LAB_BUILD/steerd" --config "$LAB_DIR/edge.yaml" --check
