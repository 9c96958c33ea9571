import Expectations
import NetAddress
import ScenarioReading
import Shapes

/// Requests of a scenario's probes: what can be asked, and of whom.
enum RequestShape {
    static let request = ObjectShape(
        name: "request", help: "A DNS query, an HTTP request, or a TCP connection; a cell for every pair of its ends.",
        fields: [
            Field("name", .text(.dnsLabel), required: true, "Unique; rules name it as `request`."),
            Field("protocol", .choice(["tcp", "dns", "http"]), required: true, "What is asked."),
            .from,
            Field("to", .selector, "Destinations; this or `address`."),
            Field("address", .text(address), "An IPv4 address in place of `to`."),
            Field("port", .integer(1...65535), "Destination port; 53 for dns and 80 for http when left out."),
            Field("query", .text(name), "dns: the name whose addresses are asked for; `{nonce}` is never the same."),
            Field("method", .text(token), "http: GET when left out."),
            Field("path", .text(path), "http: / when left out."),
            Field("headers", .map(token, .text(headerValue)), "http: besides Host."),
        ])

    private static let address = TextRule(
        pattern: "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$", expected: "an address such as 10.0.0.2", names: []
    ) { IPv4Address($0) != nil }

    private static let name = TextRule(
        pattern: "^[A-Za-z0-9_{}-]{1,63}(\\.[A-Za-z0-9_{}-]{1,63})*\\.?$", expected: "a name such as www.example.com",
        names: []
    ) { text in
        let labels = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let named = labels.last == "" ? labels.dropLast() : labels[...]
        return !named.isEmpty && text.utf8.count <= 253
            && named.allSatisfy { label in
                (1...63).contains(label.utf8.count)
                    && label.utf8.allSatisfy { byte in
                        let character = Character(UnicodeScalar(byte))
                        return character.isASCII
                            && (character.isLetter || character.isNumber || "_-{}".contains(character))
                    }
            }
    }

    private static let token = TextRule(
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", expected: "a token such as GET or X-Token", names: []
    ) { text in
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                let character = Character(UnicodeScalar(byte))
                return character.isASCII
                    && (character.isLetter || character.isNumber || "!#$%&'*+.^_`|~-".contains(character))
            }
    }

    private static let path = TextRule(
        pattern: "^/[!-~]*$", expected: "a path such as /public", names: []
    ) { text in text.first == "/" && text.utf8.allSatisfy { (0x21...0x7E).contains($0) } }

    private static let headerValue = TextRule(
        pattern: "^[ -~]*$", expected: "printable text", names: []
    ) { text in text.utf8.allSatisfy { (0x20...0x7E).contains($0) } }
}
