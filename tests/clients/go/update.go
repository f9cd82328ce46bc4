// SPDX-License-Identifier: MIT

// update CUID: change a container's variables, tags and memory in one request.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

type change struct {
	Env       map[string]interface{} `json:"env,omitempty"`
	Tags      []string               `json:"tags,omitempty"`
	Resources map[string]interface{} `json:"resources,omitempty"`
	Image     string                 `json:"image,omitempty"`
}

func update(cuid string) error {
	body, err := json.Marshal(change{
		Env:       map[string]interface{}{"NEW_VAR": "value", "OLD_VAR": nil}, // nil: to be removed
		Tags:      []string{"updated", "v2"},
		Resources: map[string]interface{}{"memory": "8192m"},
	})
	if err != nil {
		return err
	}
	url := fmt.Sprintf("%s/containers/%s", os.Getenv("BERTH_URL"), cuid)
	request, err := http.NewRequest("PATCH", url, bytes.NewBuffer(body))
	if err != nil {
		return err
	}
	pair := os.Getenv("BERTH_USER") + ":" + os.Getenv("BERTH_PASSWORD")
	request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"step": "update", "status": response.StatusCode, "answer": json.RawMessage(answer),
	})
}

func main() {
	if err := update(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
