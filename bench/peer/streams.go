package main

import (
	"strings"
	"sync"

	"github.com/centrifugal/centrifuge"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// streams are Grafana's managed streams: the last frame of every channel, and schemas that are sent when they change.
type streams struct {
	prefix string
	lock   sync.RWMutex
	frames map[string]data.FrameJSONCache
}

func newStreams(prefix string) *streams {
	return &streams{prefix: prefix + "stream/", frames: map[string]data.FrameJSONCache{}}
}

// has says whether a channel is a stream's, be there a frame or not.
func (s *streams) has(channel string) bool {
	return strings.HasPrefix(channel, s.prefix)
}

// last is the last frame with its schema; nothing where there was none.
func (s *streams) last(channel string) []byte {
	s.lock.RLock()
	defer s.lock.RUnlock()
	frame, ok := s.frames[channel]
	if !ok {
		return nil
	}
	return frame.Bytes(data.IncludeAll)
}

// push keeps a frame and publishes it: with the schema where that is new or another than before.
func (s *streams) push(node *centrifuge.Node, stream string, frame *data.Frame) error {
	channel := s.prefix + stream + "/" + frame.Name
	json, err := data.FrameToJSONCache(frame)
	if err != nil {
		return err
	}
	include := data.IncludeAll
	if s.keep(channel, json) {
		include = data.IncludeDataOnly
	}
	_, err = node.Publish(channel, json.Bytes(include))
	return err
}

// keep says whether the frame before had the same schema.
func (s *streams) keep(channel string, frame data.FrameJSONCache) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	before, ok := s.frames[channel]
	s.frames[channel] = frame
	return ok && before.SameSchema(&frame)
}
