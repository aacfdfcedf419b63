//! Requests as clients of AWS send them, and AWS KMS itself.

use claviger_aws::decode;

/// The calls of an external key store: health, metadata, encryption, decryption.
pub(super) const XKS: [&str; 4] = [
    r#"{"requestMetadata":{"kmsOperation":"KmsHealthCheck","kmsRequestId":"4112f4d6"}}"#,
    r#"{"requestMetadata":{"awsPrincipalArn":"arn:aws:iam::123456789012:user/Alice","awsSourceVpc":"vpc-1",
        "awsSourceVpce":"vpce-1","kmsOperation":"CreateKey","kmsRequestId":"4112f4d6"}}"#,
    r#"{"requestMetadata":{"awsPrincipalArn":"arn:aws:iam::123456789012:user/Alice","kmsKeyArn":"arn:aws:kms:a",
        "kmsOperation":"Encrypt","kmsRequestId":"4112f4d6","kmsViaService":"ebs"},"plaintext":"SGVsbG8gV29ybGQh",
        "additionalAuthenticatedData":"cHJvamVjdD1uaWxl","encryptionAlgorithm":"AES_GCM",
        "ciphertextDataIntegrityValueAlgorithm":"SHA_256"}"#,
    r#"{"requestMetadata":{"awsPrincipalArn":"arn:aws:iam::123456789012:user/Alice","kmsKeyArn":"arn:aws:kms:a",
        "kmsOperation":"Decrypt","kmsRequestId":"4112f4d6"},"ciphertext":"ghxkK1txeDNn3q8Y","encryptionAlgorithm":"AES_GCM",
        "ciphertextMetadata":"AQAAAAEAAAAAAAAAAAAAAAA=","initializationVector":"HMrlRw85cAJUd5Ax",
        "authenticationTag":"vBxN2ncH1oEkR8WVXpmyYQ=="}"#,
];

/// A line for each operation: its name and a body.
const BODIES: &str = include_str!("../../../crates/claviger-aws/tests/bodies.txt");

/// One body for each operation, behind the byte that chooses it.
pub(super) fn bodies() -> Vec<Vec<u8>> {
    let of =
        |operation: &str| BODIES.lines().find_map(|line| line.strip_prefix(operation)?.strip_prefix(' '));
    (0_u8..)
        .zip(decode::operations())
        .map(|(chosen, operation)| [&[chosen], of(operation).expect("each has a line").as_bytes()].concat())
        .collect()
}

/// The policy that every key has, and one that says everything that is taken.
pub(super) fn policies() -> Vec<Vec<u8>> {
    let account = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"kms:*","Resource":"*"}"#;
    let full = r#"{"Sid":"Use","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::000000000000:user/app","arn:aws:iam::000000000000:role/jobs"]},"Action":["kms:Encrypt","kms:ReEncrypt*"],"Resource":["*"],"Condition":{"StringEquals":{"kms:EncryptionContext:tenant":"7"},"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.1"]},"DateLessThan":{"aws:CurrentTime":["2030-01-01T00:00:00Z"]}}}"#;
    [
        format!(r#"{{"Version":"2012-10-17","Id":"a","Statement":[{account},{full}]}}"#),
        format!(r#"{{"Statement":{account}}}"#),
    ]
    .map(String::into_bytes)
    .into()
}

/// A request that is signed in its header, one that is presigned with a session token, and one that is HTTP/2.
pub(super) fn signed() -> Vec<Vec<u8>> {
    let scope = "20150830/us-east-1/kms/aws4_request";
    let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let claim = |names: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    };
    let encoded = scope.replace('/', "%2F");
    let in_header = format!(
        "POST /\nHost:kms.example:7402\nX-Amz-Date:20150830T123600Z\nX-Amz-Target:TrentService.Encrypt\n\
         Content-Type:application/x-amz-json-1.1\nAuthorization:{}\n\n{{\"KeyId\":\"alias/a\"}}",
        claim("content-type;host;x-amz-date;x-amz-target")
    );
    let presigned = format!(
        "GET /a/../b?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIAIOSFODNN7EXAMPLE%2F{encoded}\
         &X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-Security-Token=AQoDYX%2B&X-Amz-SignedHeaders=host\
         &X-Amz-Signature={signature}\nHost:a\n\n"
    );
    let http_2 = format!(
        "POST https://kms.example/\nDate:Sun, 30 Aug 2015 12:36:00 GMT\nAuthorization:{}\n\n",
        claim("date;host")
    );
    [in_header, presigned, http_2].map(String::into_bytes).into()
}
