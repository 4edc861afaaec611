package main

import (
	"encoding/json"
	"errors"

	"github.com/centrifugal/centrifuge-go"
)

// Payloads are JSON texts in both protocols: opaque to centrifuge-go, told as the values that they are.
func payload(data []byte) any {
	if len(data) == 0 {
		return nil
	}
	return json.RawMessage(data)
}

func info(info *centrifuge.ClientInfo) any {
	if info == nil {
		return nil
	}
	told := object{"client": info.Client, "user": info.User}
	if len(info.ConnInfo) > 0 {
		told["conn_info"] = payload(info.ConnInfo)
	}
	if len(info.ChanInfo) > 0 {
		told["chan_info"] = payload(info.ChanInfo)
	}
	return told
}

func publication(publication centrifuge.Publication) object {
	return object{"data": payload(publication.Data), "offset": publication.Offset, "info": info(publication.Info)}
}

func (told object) in(channel string) object {
	told["channel"] = channel
	return told
}

func position(position *centrifuge.StreamPosition) any {
	if position == nil {
		return nil
	}
	return object{"offset": position.Offset, "epoch": position.Epoch}
}

// told is an error as code and message: those of the server's reply where there is one inside.
func told(err error) object {
	var reply *centrifuge.Error
	if errors.As(err, &reply) {
		return object{"code": reply.Code, "message": reply.Message}
	}
	return object{"code": nil, "message": err.Error()}
}
