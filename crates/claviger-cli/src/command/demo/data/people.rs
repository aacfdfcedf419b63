//! Invented people: names, addresses and dates that look like those in real records, umlauts and commas included.

use super::random::Dice;

const GIVEN: &[&str] = &[
    "Aaliyah",
    "Agnieszka",
    "Amara",
    "Anders",
    "Björn",
    "Camille",
    "Chidi",
    "Chloé",
    "Daniel",
    "Dilnoza",
    "Elif",
    "Emeka",
    "Fatima",
    "François",
    "Grace",
    "Hana",
    "Henrik",
    "Ines",
    "Ivana",
    "Jamal",
    "João",
    "Jürgen",
    "Kenji",
    "Lars",
    "Leila",
    "Łukasz",
    "Mateo",
    "Mei",
    "Nadia",
    "Niamh",
    "Olga",
    "Owen",
    "Priya",
    "Quentin",
    "Rosa",
    "Samuel",
    "Siobhán",
    "Tariq",
    "Uma",
    "Wanjiru",
    "Xiulan",
    "Yusuf",
    "Zoë",
];

const FAMILY: &[&str] = &[
    "Abara",
    "Andersson",
    "Bianchi",
    "Castillo",
    "Cheng",
    "D'Angelo",
    "Dubois",
    "Eriksen",
    "Fernández",
    "García",
    "Haddad",
    "Hansen",
    "Ibrahim",
    "Ivanova",
    "Jansen",
    "Kamau",
    "Kowalski",
    "Lindqvist",
    "Martin",
    "Mbeki",
    "Müller",
    "Nakamura",
    "Novák",
    "O'Brien",
    "Okafor",
    "Papadopoulos",
    "Petrov",
    "Quispe",
    "Rossi",
    "Sánchez",
    "Schäfer",
    "Silva",
    "Singh",
    "Smith",
    "Tanaka",
    "Þórsdóttir",
    "Usman",
    "Vasquez",
    "Weiß",
    "Yılmaz",
    "Zhang",
];

const STREETS: &[&str] = &[
    "Alder Lane",
    "Bahnhofstraße",
    "Calle Mayor",
    "Dock Road",
    "Elm Street",
    "Fifth Avenue",
    "Garden Court",
    "Harbour View",
    "Ilica",
    "Jermyn Street",
    "Kungsgatan",
    "Lindenallee",
    "Mill Road",
    "Nørregade",
    "Oak Drive",
    "Paradise Street",
    "Quai de la Loire",
    "Rua Augusta",
    "Station Road",
    "Via Roma",
];

const TOWNS: &[&str] = &[
    "Aarhus",
    "Bilbao",
    "Cork",
    "Dresden",
    "Eindhoven",
    "Fresno",
    "Gdańsk",
    "Hull",
    "Iași",
    "Jena",
    "Košice",
    "Liège",
    "Malmö",
    "Nantes",
    "Oulu",
    "Porto",
    "Québec",
    "Ravenna",
    "Split",
    "Turku",
    "Utrecht",
    "Vigo",
    "Würzburg",
    "Zadar",
];

/// `Given Family`.
pub(super) fn name(dice: &mut Dice) -> String {
    format!("{} {}", dice.one_of(GIVEN), dice.one_of(FAMILY))
}

/// A street, a number, a postcode and a town: with commas, as in life.
pub(super) fn address(dice: &mut Dice) -> String {
    let number = dice.between(1, 299);
    format!("{number} {}, {} {}", dice.one_of(STREETS), dice.digits(5), dice.one_of(TOWNS))
}

/// A day within `year`, as `YYYY-MM-DD`.
pub(super) fn day_of(dice: &mut Dice, year: u32) -> String {
    format!("{year:04}-{:02}-{:02}", dice.between(1, 12), dice.between(1, 28))
}

/// An instant within a month, RFC 3339 in UTC.
pub(super) fn instant_of(dice: &mut Dice, year: u32, month: u32) -> String {
    let (day, hour) = (dice.between(1, 28), dice.below(24));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{:02}:{:02}Z", dice.below(60), dice.below(60))
}

/// A telephone number of the range that is kept for fiction.
pub(super) fn phone(dice: &mut Dice) -> String {
    format!("+1-{}-555-01{}", dice.between(201, 989), dice.digits(2))
}

/// An address at a domain that is reserved for examples (RFC 2606).
pub(super) fn email(name: &str, number: u64) -> String {
    let local: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|sign| sign.to_ascii_lowercase()).collect();
    format!("{local}{number}@example.org")
}
