package main

import (
	"bytes"
	"encoding/gob"
	"math"
	"time"
)

type inner struct {
	Name string
	More *inner
}

// allKinds has a field of every kind encoding/gob knows.
type allKinds struct {
	Bool            bool
	Small, Big, Low int64
	Zero            int
	Huge            uint64
	Float, Negative float64
	Complex         complex128
	Text            string
	Bytes           []byte
	List            []string
	Pair            [2]int16
	Map             map[string]int
	ByNumber        map[int]inner
	Inner           inner
	Any             any
	Nothing         any
	Time            time.Time
	Empty           []inner
	Last            uint8
}

// kinds is a stream of one value of every kind, then a lone text, a lone list, and the first value again.
func kinds() []byte {
	var b bytes.Buffer
	enc := gob.NewEncoder(&b)
	gob.Register(inner{})
	value := allKinds{Bool: true, Small: -1, Big: math.MaxInt64, Low: -129, Huge: math.MaxUint64, Float: 1.5, Negative: -math.Pi, Complex: 1 + 2i,
		Text: "größe", Bytes: []byte{0, 255}, List: []string{"a", "", "c"}, Pair: [2]int16{-7, 7}, Map: map[string]int{"one": 1},
		ByNumber: map[int]inner{-3: {Name: "x"}}, Inner: inner{Name: "outer", More: &inner{Name: "deeper"}}, Any: inner{Name: "any"},
		Time: time.Unix(1, 0).UTC(), Last: 9}
	must(enc.Encode(value))
	must(enc.Encode("alone"))
	must(enc.Encode([]int{1, -2, 3}))
	must(enc.Encode(value))
	return b.Bytes()
}
