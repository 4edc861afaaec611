package main

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// QueryData answers each query as its type says: with a frame of the query's own range, where it says nothing.
func (i *instance) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	response := backend.NewQueryDataResponse()
	for _, query := range req.Queries {
		word, rest, _ := strings.Cut(query.QueryType, "/")
		number, _ := strconv.Atoi(rest)
		var answer backend.DataResponse
		switch word {
		case "error":
			answer = backend.ErrDataResponse(backend.StatusBadRequest, "no such metric")
		case "frames and error":
			answer = backend.ErrDataResponse(backend.StatusBadGateway, "half of it is missing")
			answer.Frames = data.Frames{i.rangeOf(query)}
		case "every type":
			answer.Frames = everyType()
		case "told":
			frame, err := i.told(req, query)
			if err != nil {
				return nil, err
			}
			answer.Frames = data.Frames{frame}
		case "rows":
			answer.Frames = data.Frames{data.NewFrame("rows", data.NewField("n", nil, make([]float64, number)))}
		case "bad json":
			answer.Frames = data.Frames{data.NewFrame("bad", data.NewField("j", nil, []json.RawMessage{json.RawMessage("{")}))}
		case "foreign":
			response.Responses["someone else's"] = backend.DataResponse{Frames: data.Frames{i.rangeOf(query)}}
			continue
		case "hang":
			<-ctx.Done()
			return nil, ctx.Err()
		case "panic":
			panic("no such luck")
		default:
			answer.Frames = data.Frames{i.rangeOf(query)}
		}
		response.Responses[query.RefID] = answer
	}
	return response, nil
}

func (i *instance) rangeOf(query backend.DataQuery) *data.Frame {
	return data.NewFrame("range",
		data.NewField("time", nil, []time.Time{query.TimeRange.From, query.TimeRange.To}),
		data.NewField("value", data.Labels{"uid": i.settings.UID}, []float64{1, 2}),
	)
}

// told is all that a query and its context say, as one text of JSON.
func (i *instance) told(req *backend.QueryDataRequest, query backend.DataQuery) (*data.Frame, error) {
	said := map[string]any{
		"json": query.JSON, "maxDataPoints": query.MaxDataPoints, "intervalMs": query.Interval.Milliseconds(),
		"from": query.TimeRange.From.UnixMilli(), "to": query.TimeRange.To.UnixMilli(),
		"uid": i.settings.UID, "url": i.settings.URL, "secrets": i.settings.DecryptedSecureJSONData,
		"org": req.PluginContext.OrgID, "queries": len(req.Queries),
	}
	if user := req.PluginContext.User; user != nil {
		said["login"], said["role"] = user.Login, user.Role
	}
	spelled, err := json.Marshal(said)
	return data.NewFrame("told", data.NewField("told", nil, []json.RawMessage{spelled})), err
}

// everyType has frames of every type of field that the SDK knows, with the values that are hard to write.
func everyType() data.Frames {
	moments := []time.Time{time.Unix(0, 1_700_000_000_123_456_789), time.Unix(0, -1), time.Unix(0, 0)}
	numbers := data.NewFrame("numbers",
		data.NewField("time", nil, moments),
		data.NewField("int8", nil, []int8{math.MinInt8, 0, math.MaxInt8}),
		data.NewField("int16", nil, []int16{math.MinInt16, 0, math.MaxInt16}),
		data.NewField("int32", nil, []int32{math.MinInt32, 0, math.MaxInt32}),
		data.NewField("int64", nil, []int64{math.MinInt64, 0, math.MaxInt64}),
		data.NewField("uint8", nil, []uint8{0, 1, math.MaxUint8}),
		data.NewField("uint16", nil, []uint16{0, 1, math.MaxUint16}),
		data.NewField("uint32", nil, []uint32{0, 1, math.MaxUint32}),
		data.NewField("uint64", nil, []uint64{0, 1, math.MaxUint64}),
		data.NewField("float32", nil, []float32{0.1, math.MaxFloat32, float32(math.NaN())}),
		data.NewField("float64", nil, []float64{math.NaN(), math.Inf(1), math.Inf(-1)}),
		data.NewField("digits", nil, []float64{1e21, 5e-324, math.Copysign(0, -1)}),
		data.NewField("more digits", nil, []float64{1e20, 0.000001, 0.30000000000000004}),
	)
	texts := data.NewFrame("texts \"quoted\" <&>",
		data.NewField("", nil, []string{"a\"b\\c\n\t\u0001", "", "\u2028<é>&😀"}),
		data.NewField("bool", nil, []bool{true, false, true}),
		data.NewField("json", nil, []json.RawMessage{json.RawMessage(`{ "a": [1, 2.50, "\u00e9"] }`), json.RawMessage("null"), json.RawMessage(`"x"`)}),
		data.NewField("enum", nil, []data.EnumItemIndex{0, 1, 2}).SetConfig(&data.FieldConfig{
			TypeConfig: &data.FieldTypeConfig{Enum: &data.EnumFieldConfig{Text: []string{"a", "b", "c"}}},
		}),
	)
	texts.RefID = "its own"
	texts.SetMeta(&data.FrameMeta{
		Type: data.FrameTypeTable, TypeVersion: data.FrameTypeVersion{0, 1}, Channel: "ds/u1/x",
		Custom: map[string]any{"deep": []any{1.5, nil, "x"}}, ExecutedQueryString: "SELECT\n1",
		Notices: []data.Notice{{Severity: data.NoticeSeverityWarning, Text: "late"}},
	})
	labelled := data.NewFrame("",
		data.NewField("value", data.Labels{"host": "a,b", "": "x", "é": "\"q\""}, []float64{}).SetConfig(&data.FieldConfig{
			DisplayName: "A", Unit: "ms", Links: []data.DataLink{{Title: "t", URL: "http://x"}},
		}),
		data.NewField("no labels", data.Labels{}, []string{}),
	)
	return data.Frames{numbers, texts, labelled, nullables(), data.NewFrame("nothing")}
}

// nullables has a null in each of its fields, and enough rows for a second byte of bits.
func nullables() *data.Frame {
	kinds := []data.FieldType{
		data.FieldTypeNullableInt8, data.FieldTypeNullableInt16, data.FieldTypeNullableInt32, data.FieldTypeNullableInt64,
		data.FieldTypeNullableUint8, data.FieldTypeNullableUint16, data.FieldTypeNullableUint32,
		data.FieldTypeNullableUint64, data.FieldTypeNullableFloat32, data.FieldTypeNullableFloat64,
		data.FieldTypeNullableString, data.FieldTypeNullableBool, data.FieldTypeNullableTime,
		data.FieldTypeNullableJSON, data.FieldTypeNullableEnum,
	}
	frame := data.NewFrame("nullables").SetMeta(&data.FrameMeta{})
	values := []any{
		int8(-1), int16(-1), int32(-1), int64(-1), uint8(1), uint16(1), uint32(1), uint64(1), float32(0.1),
		math.Inf(-1), "x", true, time.Unix(0, 1_000_001), json.RawMessage("[1]"), data.EnumItemIndex(1),
	}
	for at, kind := range kinds {
		field := data.NewFieldFromFieldType(kind, 11)
		field.Name = kind.ItemTypeString()
		for _, row := range []int{0, 7, 8, 10} {
			field.SetConcrete(row, values[at])
		}
		frame.Fields = append(frame.Fields, field)
	}
	return frame
}
