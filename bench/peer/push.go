package main

import (
	"io"
	"log"
	"net/http"

	"github.com/centrifugal/centrifuge"
	"github.com/gorilla/websocket"
)

// maxMessageBytes is Grafana's limit of a message on the push WebSocket.
const maxMessageBytes = 1 << 20

// pusher takes line protocol.
type pusher struct {
	node    *centrifuge.Node
	streams *streams
}

// serveBody answers as Grafana does: 200 without a body, or 500 for whatever is wrong with the lines.
func (p *pusher) serveBody(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err == nil {
		err = p.push(request.PathValue("stream"), body)
	}
	if err != nil {
		log.Print(err)
		answer.WriteHeader(http.StatusInternalServerError)
	}
}

// serveSocket takes a message for a body, and never answers.
func (p *pusher) serveSocket(answer http.ResponseWriter, request *http.Request) {
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	socket, err := upgrader.Upgrade(answer, request, nil)
	if err != nil {
		return
	}
	defer func() { _ = socket.Close() }()
	socket.SetReadLimit(maxMessageBytes)
	for {
		_, body, err := socket.ReadMessage()
		if err != nil {
			return
		}
		if err := p.push(request.PathValue("stream"), body); err != nil {
			log.Print(err)
		}
	}
}

func (p *pusher) push(stream string, body []byte) error {
	frames, err := framesOf(body)
	if err != nil {
		return err
	}
	for _, frame := range frames {
		if err := p.streams.push(p.node, stream, frame); err != nil {
			return err
		}
	}
	return nil
}
