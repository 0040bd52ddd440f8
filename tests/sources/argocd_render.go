// Renders a template as Argo CD's notifications controller does: text/template with toJson, over
// the application as a plain map. Reads {"body": "...", "vars": {...}}.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/template"
)

func main() {
	var given struct {
		Body string
		Vars map[string]interface{}
	}
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	functions := template.FuncMap{"toJson": func(value interface{}) string {
		octets, _ := json.Marshal(value)
		return string(octets)
	}}
	parsed, err := template.New("body").Funcs(functions).Parse(given.Body)
	if err == nil {
		err = parsed.Execute(os.Stdout, given.Vars)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
