package main

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	protocol "github.com/influxdata/line-protocol"
)

// framesOf makes of line protocol what Grafana's format labels_column makes of it: a frame for each measurement, a row
// for each line. One bad line refuses them all.
func framesOf(body []byte) ([]*data.Frame, error) {
	metrics, err := protocol.NewParser(protocol.NewMetricHandler()).Parse(body)
	if err != nil {
		return nil, err
	}
	var order []*rows
	byName := map[string]*rows{}
	for _, metric := range metrics {
		measurement, ok := byName[metric.Name()]
		if !ok {
			measurement = &rows{name: metric.Name(), columns: map[string]*data.Field{}}
			byName[metric.Name()] = measurement
			order = append(order, measurement)
		}
		measurement.add(metric)
	}
	frames := make([]*data.Frame, len(order))
	for place, measurement := range order {
		frames[place] = measurement.frame()
	}
	return frames, nil
}

// rows are the lines of one measurement.
type rows struct {
	name    string
	labels  []string
	times   []time.Time
	order   []*data.Field
	columns map[string]*data.Field
}

func (r *rows) add(metric protocol.Metric) {
	r.labels = append(r.labels, labelText(metric.TagList()))
	r.times = append(r.times, metric.Time())
	fields := metric.FieldList()
	sort.Slice(fields, func(i, j int) bool { return fields[i].Key < fields[j].Key })
	for _, field := range fields {
		kind, value := valueOf(field.Value)
		column, ok := r.columns[field.Key]
		if !ok {
			column = data.NewFieldFromFieldType(kind, len(r.times)-1)
			column.Name = field.Key
			r.columns[field.Key] = column
			r.order = append(r.order, column)
		}
		r.pad(column, len(r.times)-1)
		column.Append(fitting(column.Type(), kind, value))
	}
}

// pad fills a column with nulls up to a length.
func (r *rows) pad(column *data.Field, length int) {
	if missing := length - column.Len(); missing > 0 {
		column.Extend(missing)
	}
}

func (r *rows) frame() *data.Frame {
	fields := data.Fields{data.NewField("labels", nil, r.labels), data.NewField("time", nil, r.times)}
	for _, column := range r.order {
		r.pad(column, len(r.times))
		fields = append(fields, column)
	}
	return data.NewFrame(r.name, fields...)
}

// labelText joins tags, which the parser has sorted, without any escape.
func labelText(tags []*protocol.Tag) string {
	words := make([]string, len(tags))
	for place, tag := range tags {
		words[place] = tag.Key + "=" + tag.Value
	}
	return strings.Join(words, ", ")
}

// valueOf is the column's type that a value wants, and the value for it: numbers are floats, and all may be null.
func valueOf(value any) (data.FieldType, any) {
	number := func(value float64) (data.FieldType, any) { return data.FieldTypeNullableFloat64, &value }
	switch value := value.(type) {
	case int64:
		return number(float64(value))
	case uint64:
		return number(float64(value))
	case float64:
		return number(value)
	case bool:
		return data.FieldTypeNullableBool, &value
	case string:
		if value == "NaN" {
			return data.FieldTypeNullableFloat64, (*float64)(nil)
		}
		return data.FieldTypeNullableString, &value
	default:
		text := fmt.Sprint(value)
		return data.FieldTypeNullableString, &text
	}
}

// fitting is a value as a column of another type takes it: a column of strings its text, any other none.
func fitting(column, kind data.FieldType, value any) any {
	if column == kind {
		return value
	}
	var text string
	switch value := value.(type) {
	case *float64:
		if value == nil {
			return nullOf(column)
		}
		text = fmt.Sprint(*value)
	case *bool:
		text = fmt.Sprint(*value)
	}
	if column != data.FieldTypeNullableString {
		return nullOf(column)
	}
	return &text
}

func nullOf(column data.FieldType) any {
	switch column {
	case data.FieldTypeNullableFloat64:
		return (*float64)(nil)
	case data.FieldTypeNullableBool:
		return (*bool)(nil)
	default:
		return (*string)(nil)
	}
}
