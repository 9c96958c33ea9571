import Foundation

/// The text form of an event: one JSON object without a line break. The lab host's pipe, `journal.jsonl` and `--output
/// jsonl` use it. Dates are in ISO 8601 with milliseconds, UTC.
public enum EventLine {
    /// Returns the event's line without a line feed.
    public static func encode(_ event: RunEvent) throws -> Data {
        try encoder().encode(event)
    }

    public static func decode(_ line: some DataProtocol) throws -> RunEvent {
        try decoder().decode(RunEvent.self, from: Data(line))
    }

    /// The encoder of events and reports: dates in ISO 8601, sorted keys, slashes not escaped.
    public static func encoder(pretty: Bool = false) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        }
        return encoder
    }

    public static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            for fractional in [true, false] {
                let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fractional)
                if let date = try? style.parse(text) { return date }
            }
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an ISO 8601 time: \(text)")
        }
        return decoder
    }
}
