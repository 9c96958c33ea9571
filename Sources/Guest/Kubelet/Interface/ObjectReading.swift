import JSON

/// Reads objects of the API other than pods, as far as a kubelet needs them.
enum ObjectReading {
    static func content(_ kind: ObjectReference.Kind, _ object: JSONValue) -> ObjectContent {
        var data: [String: [UInt8]] = [:]
        for (key, value) in object["data"]?.members ?? [:] {
            guard let text = value.text else { continue }
            switch kind {
            case .configMap: data[key] = Array(text.utf8)
            case .secret: data[key] = Base64.decode(text)
            }
        }
        for (key, value) in object["binaryData"]?.members ?? [:] where kind == .configMap {
            data[key] = value.text.flatMap(Base64.decode)
        }
        return ObjectContent(data: data)
    }

    static func service(_ object: JSONValue) -> ServiceAddress? {
        guard let namespace = object["metadata"]?["namespace"]?.text, let name = object["metadata"]?["name"]?.text,
            let address = object["spec"]?["clusterIP"]?.text, !address.isEmpty, address != "None"
        else { return nil }
        let ports = (object["spec"]?["ports"]?.elements ?? []).compactMap { port -> ServiceAddress.Port? in
            guard let number = port["port"]?.integerValue.flatMap({ UInt16(exactly: $0) }) else { return nil }
            return ServiceAddress.Port(
                name: port["name"]?.text ?? "", port: number, protocolName: port["protocol"]?.text ?? "TCP")
        }
        return ServiceAddress(namespace: namespace, name: name, clusterIP: address, ports: ports)
    }
}

/// Base64 with padding (RFC 4648, section 4).
enum Base64 {
    /// The bytes; nil for a text that is no base64.
    static func decode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count / 4 * 3)
        var (word, digits, padding): (UInt32, Int, Int) = (0, 0, 0)
        for character in text.utf8 {
            let value: UInt32
            switch character {
            case 65...90: value = UInt32(character - 65)
            case 97...122: value = UInt32(character - 71)
            case 48...57: value = UInt32(character + 4)
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="):
                padding += 1
                guard digits >= 2, padding <= 2 else { return nil }
                value = 0
            case 10, 13: continue
            default: return nil
            }
            guard padding == 0 || character == UInt8(ascii: "=") else { return nil }
            word = word << 6 | value
            digits += 1
            guard digits == 4 else { continue }
            bytes += [UInt8(truncatingIfNeeded: word >> 16), UInt8(truncatingIfNeeded: word >> 8), UInt8(word & 255)]
                .dropLast(padding)
            (word, digits) = (0, 0)
        }
        return digits == 0 ? bytes : nil
    }
}
