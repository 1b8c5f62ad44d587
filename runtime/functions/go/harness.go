// Runs one function that was compiled with it: takes one call at a time on an inherited socket, and answers in JSON.
//
// stdin: one document {name, env, timeout_ms, memory_mb}, then its end. 3: what it says of itself, in lines of JSON. 4: the
// listening socket. It speaks the little HTTP that Hearth does, so that a function that needs no net/http carries none.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/url"
	"os"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	hearthControl   = 3
	hearthListening = 4
	// Of what one call prints, so much is kept.
	hearthMaxLogs = 256 << 10
)

type hearthWork struct {
	Name      string            `json:"name"`
	Env       map[string]string `json:"env"`
	TimeoutMs int64             `json:"timeout_ms"`
	MemoryMb  int64             `json:"memory_mb"`
}

type hearthError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Stack   string `json:"stack"`
}

func hearthSay(news interface{}) {
	line, err := json.Marshal(news)
	if err == nil {
		syscall.Write(hearthControl, append(line, '\n'))
	}
}

// What is printed belongs to the call that runs. It goes through a pipe, since the function's own code writes to a file; a
// goroutine reads along, so that a pipe that is full holds up nobody.
type hearthLogs struct {
	sync.Mutex
	// Held, since the function's code may set another in its place.
	writer *os.File
	pipe   int
	open   bool
	chunk  []byte
	rest   []byte
	lines  []string
	size   int
}

func (logs *hearthLogs) follow() {
	reader, writer, err := os.Pipe()
	if err != nil {
		return
	}
	logs.writer, os.Stdout, os.Stderr = writer, writer, writer
	log.SetOutput(writer)
	raw, err := reader.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { logs.pipe = int(fd) })
	logs.chunk, logs.open = make([]byte, 64<<10), true
	go func() {
		// It is asked to again and again, each time that there is something to read.
		raw.Read(func(uintptr) bool {
			logs.Lock()
			defer logs.Unlock()
			logs.drain()
			return !logs.open
		})
	}()
}

// Takes what is in the pipe. What a call has printed is there when the call returns.
func (logs *hearthLogs) drain() {
	for logs.open {
		read, err := syscall.Read(logs.pipe, logs.chunk)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN {
			return
		}
		if err != nil || read <= 0 {
			logs.open = false
			return
		}
		logs.rest = append(logs.rest, logs.chunk[:read]...)
		for {
			end := bytes.IndexByte(logs.rest, '\n')
			if end < 0 {
				break
			}
			logs.keep(string(logs.rest[:end]))
			logs.rest = logs.rest[end+1:]
		}
		if len(logs.rest) > hearthMaxLogs {
			logs.keep(string(logs.rest))
			logs.rest = nil
		}
	}
}

func (logs *hearthLogs) keep(line string) {
	if logs.size >= hearthMaxLogs {
		return
	}
	if len(line) > hearthMaxLogs {
		line = line[:hearthMaxLogs]
	}
	logs.size += len(line) + 1
	logs.lines = append(logs.lines, line)
	if logs.size >= hearthMaxLogs {
		logs.lines = append(logs.lines, "[more was printed than is kept]")
	}
}

func (logs *hearthLogs) take() []string {
	logs.Lock()
	defer logs.Unlock()
	logs.drain()
	if len(logs.rest) > 0 {
		logs.keep(string(logs.rest))
		logs.rest = nil
	}
	taken := logs.lines
	logs.lines, logs.size = nil, 0
	if taken == nil {
		taken = []string{}
	}
	return taken
}

var hearthPrinted hearthLogs

// Where a value is not JSON, and why.
func hearthRefused(value reflect.Value, where string, depth int) string {
	if depth > 1000 {
		return where + " refers to itself (a cycle), which JSON cannot hold"
	}
	if !value.IsValid() || value.Type().Implements(reflect.TypeOf((*json.Marshaler)(nil)).Elem()) {
		return ""
	}
	field := func(name string) string { return fmt.Sprintf("the result's field %q", name) }
	switch value.Kind() {
	case reflect.Interface, reflect.Ptr:
		if value.IsNil() {
			return ""
		}
		return hearthRefused(value.Elem(), where, depth+1)
	case reflect.Float32, reflect.Float64:
		if f := value.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprintf("%s is %v, which JSON cannot hold", where, f)
		}
	case reflect.Map:
		for _, key := range value.MapKeys() {
			if why := hearthRefused(value.MapIndex(key), field(fmt.Sprint(key)), depth+1); why != "" {
				return why
			}
		}
	case reflect.Slice, reflect.Array:
		if value.Type().Elem().Kind() == reflect.Uint8 {
			return where + " is made of bytes, which JSON cannot hold: encode it, as with base64.StdEncoding.EncodeToString"
		}
		for i := 0; i < value.Len(); i++ {
			if why := hearthRefused(value.Index(i), field(strconv.Itoa(i)), depth+1); why != "" {
				return why
			}
		}
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Sprintf("%s is of type %s, which JSON cannot hold", where, value.Type())
	}
	return ""
}

func hearthEncode(result interface{}) (json.RawMessage, *hearthError) {
	if why := hearthRefused(reflect.ValueOf(&result).Elem(), "the result", 0); why != "" {
		return nil, &hearthError{Type: "ResultNotJson", Message: why}
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return nil, &hearthError{Type: "ResultNotJson", Message: err.Error()}
	}
	return encoded, nil
}

// The function's own part of a stack.
func hearthStack(stack string) string {
	var own []string
	lines := strings.Split(stack, "\n")
	for i := 0; i+1 < len(lines); i++ {
		if place := strings.TrimSpace(lines[i+1]); strings.Contains(place, "function.go:") {
			if cut := strings.LastIndex(place, "/function.go:"); cut >= 0 {
				place = place[cut+1:]
			}
			if space := strings.Index(place, " "); space >= 0 {
				place = place[:space]
			}
			own = append(own, lines[i]+"\n\t"+place)
		}
	}
	return strings.Join(own, "\n")
}

// Calls the handler, whatever of its usual forms it has: arguments are read as their types, results are a value, an error,
// or both.
func hearthCall(event json.RawMessage, context map[string]interface{}) (result interface{}, failed *hearthError) {
	defer func() {
		if thrown := recover(); thrown != nil {
			kind, message := "panic", fmt.Sprint(thrown)
			if err, ok := thrown.(error); ok {
				kind = strings.TrimPrefix(reflect.TypeOf(err).String(), "*")
				message = err.Error()
			}
			failed = &hearthError{Type: kind, Message: message, Stack: hearthStack(string(debug.Stack()))}
		}
	}()
	handler := reflect.ValueOf(hearthHandler)
	kind := handler.Type()
	texts := map[string]string{}
	for name, value := range context {
		if text, ok := value.(string); ok {
			texts[name] = text
		} else if encoded, err := json.Marshal(value); err == nil {
			texts[name] = string(encoded)
		}
	}
	var arguments []reflect.Value
	for i := 0; i < kind.NumIn(); i++ {
		argument := reflect.New(kind.In(i))
		var err error
		switch {
		case i == 0:
			err = json.Unmarshal(event, argument.Interface())
		case kind.In(i) == reflect.TypeOf(texts):
			argument.Elem().Set(reflect.ValueOf(texts))
		case i == 1:
			var encoded []byte
			if encoded, err = json.Marshal(context); err == nil {
				err = json.Unmarshal(encoded, argument.Interface())
			}
		}
		if err != nil {
			what := [2]string{"event", "context"}[i%2]
			return nil, &hearthError{Type: "EventNotUsable", Message: fmt.Sprintf("%s: %v", what, err)}
		}
		arguments = append(arguments, argument.Elem())
	}
	answers := handler.Call(arguments)
	for _, answer := range answers {
		if err, ok := answer.Interface().(error); ok && answer.Type() == reflect.TypeOf((*error)(nil)).Elem() {
			kind := strings.TrimPrefix(reflect.TypeOf(err).String(), "*")
			return nil, &hearthError{Type: kind, Message: err.Error()}
		}
	}
	if len(answers) > 0 && answers[0].Type() != reflect.TypeOf((*error)(nil)).Elem() {
		return answers[0].Interface(), nil
	}
	return nil, nil
}

func hearthElapsed(began time.Time) float64 {
	return float64(time.Since(began).Microseconds()) / 1000
}

func (work *hearthWork) context(given map[string]interface{}) map[string]interface{} {
	whole := map[string]interface{}{
		"function_name": work.Name, "memory_limit_mb": work.MemoryMb, "timeout_ms": work.TimeoutMs,
	}
	for name, value := range given {
		whole[name] = value
	}
	return whole
}

// A call of the API.
func (work *hearthWork) invoke(body []byte) []byte {
	var sent struct {
		Event   json.RawMessage        `json:"event"`
		Context map[string]interface{} `json:"context"`
	}
	if err := json.Unmarshal(body, &sent); err != nil || sent.Event == nil {
		sent.Event = json.RawMessage("null")
	}
	began := time.Now()
	result, failed := hearthCall(sent.Event, work.context(sent.Context))
	answer := struct {
		Success  bool            `json:"success"`
		Duration float64         `json:"duration_ms"`
		Logs     []string        `json:"logs"`
		Result   json.RawMessage `json:"result,omitempty"`
		Error    *hearthError    `json:"error,omitempty"`
	}{}
	if failed == nil {
		answer.Result, failed = hearthEncode(result)
	}
	answer.Success, answer.Error = failed == nil, failed
	answer.Duration, answer.Logs = hearthElapsed(began), hearthPrinted.take()
	encoded, err := json.Marshal(answer)
	if err != nil {
		encoded, _ = json.Marshal(map[string]interface{}{
			"success": false, "duration_ms": 0, "error": hearthError{Type: "ResultNotJson", Message: err.Error()},
		})
	}
	return encoded
}

type hearthRequest struct {
	method, target string
	headers        map[string]string
	body           []byte
}

type hearthResponse struct {
	status  int
	headers map[string]string
	body    []byte
}

// A request over the function's host or a route.
func (work *hearthWork) serve(request *hearthRequest) hearthResponse {
	started := time.Now()
	path, query := request.target, ""
	if cut := strings.IndexByte(path, '?'); cut >= 0 {
		path, query = path[:cut], path[cut+1:]
	}
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	values, _ := url.ParseQuery(query)
	flat := map[string]string{}
	for name, all := range values {
		flat[name] = all[len(all)-1]
	}
	text, encoded := string(request.body), false
	if !utf8.ValidString(text) {
		text, encoded = base64.StdEncoding.EncodeToString(request.body), true
	}
	event, _ := json.Marshal(map[string]interface{}{
		"method": request.method, "path": path, "query": flat, "headers": request.headers, "body": text,
		"isBase64Encoded": encoded,
	})
	id := request.headers["cf-ray"]
	result, failed := hearthCall(event, work.context(map[string]interface{}{"request_id": id}))
	var response hearthResponse
	if failed == nil {
		response, failed = hearthRespond(result)
	}
	if failed != nil {
		content, _ := json.Marshal(map[string]string{"error": "The function failed.", "request_id": id})
		response = hearthResponse{500, map[string]string{"content-type": "application/json"}, content}
	}
	hearthSay(map[string]interface{}{
		"event": "called", "request_id": id, "started_ms": started.UnixMilli(), "success": failed == nil,
		"duration_ms": hearthElapsed(started), "error": failed, "logs": hearthPrinted.take(),
	})
	return response
}

func hearthRespond(result interface{}) (hearthResponse, *hearthError) {
	encoded, failed := hearthEncode(result)
	if failed != nil {
		return hearthResponse{}, failed
	}
	plain := hearthResponse{200, map[string]string{"content-type": "application/json"}, encoded}
	var fields map[string]json.RawMessage
	if json.Unmarshal(encoded, &fields) != nil {
		return plain, nil
	}
	raw, present := fields["statusCode"]
	if !present {
		raw, present = fields["status"]
	}
	status, err := strconv.Atoi(string(raw))
	if !present || err != nil || status < 200 || status > 599 {
		return plain, nil
	}
	headers := map[string]string{}
	var given map[string]interface{}
	json.Unmarshal(fields["headers"], &given)
	for name, value := range given {
		headers[strings.ToLower(name)] = fmt.Sprint(value)
	}
	var body string
	if raw, present := fields["body"]; present && json.Unmarshal(raw, &body) != nil {
		body = string(raw)
		if _, named := headers["content-type"]; !named {
			headers["content-type"] = "application/json"
		}
	}
	content := []byte(body)
	if string(fields["isBase64Encoded"]) == "true" {
		content, _ = base64.StdEncoding.DecodeString(body)
	}
	return hearthResponse{status, headers, content}, nil
}

var errHearthEnd = errors.New("the connection has ended")

// Reads a request as Hearth sends it: with a length, or in chunks.
func hearthRead(reader *bufio.Reader) (*hearthRequest, error) {
	line := func() (string, error) {
		text, err := reader.ReadString('\n')
		return strings.TrimRight(text, "\r\n"), err
	}
	first, err := line()
	if err != nil {
		return nil, err
	}
	words := strings.SplitN(first, " ", 3)
	if len(words) != 3 {
		return nil, errHearthEnd
	}
	request := &hearthRequest{method: words[0], target: words[1], headers: map[string]string{}}
	for {
		field, err := line()
		if err != nil {
			return nil, err
		}
		if field == "" {
			break
		}
		parts := strings.SplitN(field, ":", 2)
		if len(parts) != 2 {
			return nil, errHearthEnd
		}
		name, value := strings.ToLower(parts[0]), strings.TrimSpace(parts[1])
		if before, twice := request.headers[name]; twice {
			value = before + ", " + value
		}
		request.headers[name] = value
	}
	if strings.Contains(request.headers["transfer-encoding"], "chunked") {
		for {
			text, err := line()
			if err != nil {
				return nil, err
			}
			size, err := strconv.ParseInt(strings.SplitN(text, ";", 2)[0], 16, 64)
			if err != nil {
				return nil, err
			}
			if size == 0 {
				break
			}
			chunk := make([]byte, size)
			if _, err := io.ReadFull(reader, chunk); err != nil {
				return nil, err
			}
			request.body = append(request.body, chunk...)
			if _, err := line(); err != nil {
				return nil, err
			}
		}
		for {
			trailer, err := line()
			if err != nil {
				return nil, err
			}
			if trailer == "" {
				return request, nil
			}
		}
	}
	length, _ := strconv.Atoi(request.headers["content-length"])
	request.body = make([]byte, length)
	_, err = io.ReadFull(reader, request.body)
	return request, err
}

func hearthWrite(file *os.File, response hearthResponse, headOnly bool) error {
	var packed bytes.Buffer
	fmt.Fprintf(&packed, "HTTP/1.1 %d Status\r\n", response.status)
	clean := strings.NewReplacer("\r", " ", "\n", " ")
	for name, value := range response.headers {
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding", "connection":
		default:
			fmt.Fprintf(&packed, "%s: %s\r\n", clean.Replace(name), clean.Replace(value))
		}
	}
	bodyless := response.status == 204 || response.status == 304
	if !bodyless {
		fmt.Fprintf(&packed, "content-length: %d\r\n", len(response.body))
	}
	packed.WriteString("\r\n")
	if !bodyless && !headOnly {
		packed.Write(response.body)
	}
	_, err := file.Write(packed.Bytes())
	return err
}

func (work *hearthWork) connection(file *os.File, turn *sync.Mutex) {
	defer file.Close()
	reader := bufio.NewReaderSize(file, 64<<10)
	for {
		request, err := hearthRead(reader)
		if err != nil {
			return
		}
		turn.Lock()
		var response hearthResponse
		if _, marked := request.headers["x-hearth-invoke"]; marked {
			response = hearthResponse{
				200, map[string]string{"content-type": "application/json"}, work.invoke(request.body),
			}
		} else {
			response = work.serve(request)
		}
		turn.Unlock()
		if hearthWrite(file, response, request.method == "HEAD") != nil {
			return
		}
	}
}

// Runs before the function's own init: the environment must be there by then.
var hearthStarted = func() *hearthWork {
	hearthSay(map[string]string{"event": "parked"})
	work := new(hearthWork)
	sent, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = json.Unmarshal(sent, work)
	}
	if err != nil {
		os.Exit(1)
	}
	os.Clearenv()
	for name, value := range map[string]string{
		"HOME": "/tmp", "TMPDIR": "/tmp", "PATH": "/runtime/bin", "LANG": "C.UTF-8",
		"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
	} {
		os.Setenv(name, value)
	}
	for name, value := range work.Env {
		os.Setenv(name, value)
	}
	os.Chdir("/tmp")
	// Near its limit it collects rather than dies.
	debug.SetMemoryLimit(work.MemoryMb << 20 / 10 * 9)
	hearthPrinted.follow()
	return work
}()

func main() {
	work := hearthStarted
	kind := reflect.TypeOf(hearthHandler)
	if kind.Kind() != reflect.Func || kind.NumIn() > 2 || kind.NumOut() > 2 {
		hearthSay(map[string]interface{}{"event": "failed", "error": hearthError{
			Type:    "HandlerNotFound",
			Message: "handler: it must be a function of an event and a context, with one result and perhaps an error",
		}})
		os.Exit(1)
	}
	hearthSay(map[string]string{"event": "listen"})
	turn := new(sync.Mutex)
	syscall.SetNonblock(hearthListening, false)
	for {
		fd, _, err := syscall.Accept(hearthListening)
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			return
		}
		syscall.SetNonblock(fd, true)
		go work.connection(os.NewFile(uintptr(fd), "call"), turn)
	}
}
